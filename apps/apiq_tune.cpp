// apiq-tune: finds the fastest kernel settings of a device and writes them where every program reads them.
#include <cstdio>

#include "apiq/tune.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  TuneOptions tune;
  bool list = false;
};

/// "90s", "10min", "1.5h"; a plain number is seconds.
double parse_seconds(const std::string& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string unit = text.substr(digits);
  const double scale = unit.empty() || unit == "s" ? 1 : unit == "min" ? 60 : unit == "h" ? 3600 : 0;
  double value = 0;
  if (digits != 0) parse_value(text.substr(0, digits), value);
  if (scale == 0 || !(value > 0))
    throw UsageError("expected a time above 0 such as 90s, 10min or 1h, found '" + text + "'");
  return value * scale;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end == begin) throw UsageError("expected kernel names with commas between, found '" + text + "'");
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string values_text(const std::map<std::string, int>& values) {
  std::string out;
  for (const auto& [name, value] : values)
    out += (out.empty() ? "" : " ") + name + "=" + std::to_string(value);
  return out;
}

int list(Program& program) {
  const std::vector<TunableKernel> kernels = tunable_kernels(program.device());
  if (program.prints_tables()) {
    Table table({"kernel", "settings", "in use", "not searched because"});
    for (const TunableKernel& k : kernels)
      table.row({k.name, std::to_string(k.candidates), values_text(k.values), k.reason});
    table.print();
    const std::filesystem::path file = tuning_file_in_use(program.device());
    std::printf("%s\n", file.empty() ? "presets: there is no tuning file for this device"
                                     : ("from " + file.string()).c_str());
  }
  if (program.wants_json()) program.write_json(to_json(program.run_info(), kernels));
  return kDone;
}

std::string rejected_text(const TunedKernel& kernel) {
  std::string out;
  for (const auto& [reason, count] : kernel.rejected)
    out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + reason;
  return out;
}

void print_result(const TuneResult& result) {
  Table table({"kernel", "outcome", "speedup", "spread", "measured", "refused", "setting"});
  for (const TunedKernel& k : result.kernels)
    table.row({k.name, name_of(k.outcome) + (k.finished ? "" : " so far"), decimals(k.speedup, 3),
               decimals(k.spread, 3), std::to_string(k.measured), rejected_text(k), values_text(k.values)});
  table.print();
  std::printf("%s%s\n", result.output.c_str(),
              result.finished ? "" : ": not finished; the same command goes on");
}

int run(Program& program, const Settings& s) {
  if (s.list) return list(program);
  const Callbacks callbacks =
      program.callbacks();  // before the device, so that Ctrl-C is heard from the start
  const TuneResult result = tune(program.device(), s.tune, callbacks);
  program.end_progress();
  if (program.prints_tables()) print_result(result);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), result));
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  Options options("apiq-tune", "find the fastest kernel settings of a device",
                  "[--time TIME] [--kernels LIST] [--output FILE] [options]");
  options.group("Tuning");
  options.custom(
      "time", "TIME", [&](const std::string& text) { s.tune.seconds = parse_seconds(text); },
      "time of this run, e.g. 90s, 10min, 1h; the same command goes on where it ended", "10min");
  options.custom(
      "kernels", "LIST", [&](const std::string& text) { s.tune.kernels = split(text); },
      "kernels to tune, with commas between", "all");
  options.value("output", "FILE", s.tune.output, "tuning file to write",
                "the device's, in the user's folder");
  options.flag("restart", s.tune.restart, "ignore what earlier runs measured, and start from the presets");
  options.flag("list", s.list, "list the kernels, their number of settings and the one in use, then stop");
  return run_program(argc, argv, options, [&](Program& program) { return run(program, s); });
}
