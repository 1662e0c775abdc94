#include "result.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "apiq/version.hpp"
#include "options.hpp"

namespace apiq::perf {

namespace {

std::FILE*& output() {
  static std::FILE* file = stdout;
  return file;
}

/// "2026-01-31T12:00:00Z"
std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

}  // namespace

void set_output(const std::filesystem::path& file) {
  output() = std::fopen(file.c_str(), "a");
  if (output() == nullptr) {
    std::fprintf(stderr, "%s: cannot be opened for appending\n", file.c_str());
    std::exit(1);
  }
}

nlohmann::ordered_json to_json(const Result& result, const DeviceInfo& device) {
  const double gbps = result.bytes / 1e6 / result.ours.median,
               gflops = result.flops / 1e6 / result.ours.median;
  nlohmann::ordered_json line{{"benchmark", result.benchmark},
                              {"case", result.name},
                              {"milliseconds_median", result.ours.median},
                              {"milliseconds_min", result.ours.min},
                              {"spread", result.ours.spread},
                              {"rounds", result.ours.rounds},
                              {"bytes", result.bytes},
                              {"flops", result.flops},
                              {"gb_per_second", gbps},
                              {"gflop_per_second", gflops}};
  if (result.limit > 0) {
    line["limit_name"] = result.limit_name;
    line["limit"] = result.limit;
    line["share_of_limit"] =
        (result.limit_name.find("bandwidth") != std::string::npos ? gbps : gflops) / result.limit;
  }
  if (!result.rival.empty()) {
    line["rival"] = result.rival;
    line["rival_milliseconds_median"] = result.rivals.median;
    line["rival_spread"] = result.rivals.spread;
    line["ratio_to_rival"] = result.rivals.median / result.ours.median;
  }
  line["device"] = {{"name", device.name},
                    {"vendor", device.vendor},
                    {"driver", device.driver},
                    {"platform", device.platform}};
  line["version"] = version();
  line["commit"] = commit();
  line["command"] = command_line();
  line["date"] = now_utc();
  return line;
}

void print(const Result& result, const DeviceInfo& device) { print_line(to_json(result, device)); }

void print_line(const nlohmann::ordered_json& line) {
  std::fprintf(output(), "%s\n", line.dump().c_str());
  std::fflush(output());
}

}  // namespace apiq::perf
