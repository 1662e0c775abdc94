#include "runtime/fast_path_cache.hpp"

#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "util/json.hpp"
#include "util/sha256.hpp"

namespace apiq::runtime {

namespace {

constexpr std::string_view kVersion = "fast path 1";  // raise when trials or the meaning of an entry change

/// Parts cannot run into each other.
std::string framed(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += std::to_string(part.size()) + ":" + std::string(part);
  return out;
}

std::string text_of(const FastPathReport& report) {
  nlohmann::json json{{"path", report.path},   {"accepted", report.accepted},
                      {"stage", report.stage}, {"reason", report.reason},
                      {"log", report.log},     {"speeds", nlohmann::json::array()}};
  for (const FastPathSpeed& speed : report.speeds)
    json["speeds"].push_back({speed.product, speed.rows, speed.ratio});
  return json.dump(-1, ' ', false,
                   nlohmann::json::error_handler_t::replace);  // compilers' logs hold any bytes
}

FastPathReport report_of(const std::string& text) {
  const auto json = parse_json(text, "fast path report");
  FastPathReport out;
  out.path = json.at("path").get<std::string>();
  out.accepted = json.at("accepted").get<bool>();
  out.stage = json.at("stage").get<std::string>();
  out.reason = json.at("reason").get<std::string>();
  out.log = json.at("log").get<std::string>();
  for (const auto& speed : json.at("speeds")) out.speeds.push_back({speed.at(0), speed.at(1), speed.at(2)});
  return out;
}

/// What an entry says while its trial runs, or after a process that did not survive it.
constexpr std::string_view kUnfinished = "unfinished";
struct Note {
  int trials = 0;
  pid_t process = 0;
  static Note of(const FastPathReport& report) {
    Note note;
    std::istringstream(report.reason) >> note.trials >> note.process;
    return note;
  }
};

}  // namespace

FastPathCache::FastPathCache(const DeviceInfo& device, const std::filesystem::path& folder,
                             std::string_view build_options)
    : files_(folder),
      device_(framed({device.name, device.device_version, device.driver, device.platform,
                      device.platform_version, build_options})) {}

std::string FastPathCache::key(std::string_view path, std::string_view identity) const {
  return sha256_of(framed({kVersion, device_, path, identity}));
}

std::optional<FastPathReport> FastPathCache::load(std::string_view path, std::string_view identity) const {
  auto report = entry(path, identity);
  if (!report || report->stage != kUnfinished) return report;
  const Note note = Note::of(*report);
  if (note.trials < 2 || ::kill(note.process, 0) == 0) return std::nullopt;
  report->stage = "probe";
  report->reason =
      "two trials ended with the process, as drivers do that fail badly; another driver, or another "
      "APIQ_CACHE_DIR, starts anew";
  return report;
}

void FastPathCache::begin(std::string_view path, std::string_view identity) const noexcept {
  const auto before = entry(path, identity);
  Note note{before && before->stage == kUnfinished ? Note::of(*before).trials + 1 : 1, ::getpid()};
  FastPathReport report;
  report.path = path;
  report.stage = kUnfinished;
  report.reason = std::to_string(note.trials) + " " + std::to_string(note.process);
  store(report, identity);
}

void FastPathCache::forget(std::string_view path, std::string_view identity) const noexcept {
  files_.store(key(path, identity), "");
}

std::optional<FastPathReport> FastPathCache::entry(std::string_view path, std::string_view identity) const {
  const auto text = files_.load(key(path, identity));
  if (!text) return std::nullopt;
  try {
    return report_of(*text);
  } catch (const std::exception&) {
    return std::nullopt;  // whatever it is, it is found out again
  }
}

void FastPathCache::store(const FastPathReport& report, std::string_view identity) const noexcept {
  try {
    files_.store(key(report.path, identity), text_of(report));
  } catch (const std::exception&) {
    // As with programs: what is not kept is found out again.
  }
}

}  // namespace apiq::runtime
