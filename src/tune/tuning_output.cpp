#include "tune/tuning_output.hpp"

#include <algorithm>
#include <ctime>

#include "apiq/error.hpp"
#include "apiq/version.hpp"
#include "runtime/tuning_file.hpp"
#include "tune/search_space.hpp"
#include "util/atomic_file.hpp"

namespace apiq::tuning {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
  return text;
}

/// Three digits are all that a measurement is worth.
double rounded(double value) {
  return std::stod(std::to_string(static_cast<long>(value * 1000 + 0.5))) / 1000;
}

Json gain_of(const TunedKernel& kernel) {
  Json cases = Json::object();
  for (const TuneCase& c : kernel.cases)
    cases[c.name] = {{"preset_milliseconds", rounded(c.preset_ms)}, {"milliseconds", rounded(c.ms)}};
  return {{"speedup", rounded(kernel.speedup)},
          {"spread", rounded(kernel.spread)},
          {"date", today()},
          {"commit", commit()},
          {"cases", cases}};
}

/// Whether an entry still means something: its program has all its tunables, and may be built with these
/// values.
bool is_current(const std::string& key, const Point& values, const runtime::Device& device) {
  const auto& spaces = search_spaces();
  const auto space =
      std::find_if(spaces.begin(), spaces.end(), [&](const SearchSpace& s) { return s.program == key; });
  if (space == spaces.end()) return false;
  Point point = point_of(device.tuning().values(space->program));
  for (const auto& [name, value] : values) {
    if (!point.contains(name)) return false;
    point[name] = value;
  }
  return conflict_of(*space, point, device.info()).empty();
}

}  // namespace

TuningOutput::TuningOutput(fs::path path, const runtime::Device& device)
    : path_(std::move(path)), info_(device.info()) {
  std::error_code ignored;
  const fs::path from = fs::exists(path_, ignored) ? path_ : device.tuning().file();
  if (from.empty()) return;
  data_ = runtime::read_tuning_file(from);
  std::erase_if(data_.tunables,
                [&](const auto& entry) { return !is_current(entry.first, entry.second, device); });
  const Json json = Json::parse(read_file(from));
  if (json.contains("gains"))
    for (const auto& [key, gain] : json.at("gains").items())
      if (data_.tunables.contains(key)) gains_[key] = gain;
}

void TuningOutput::record(const TunedKernel& kernel) {
  data_.tunables.erase(kernel.name);
  gains_.erase(kernel.name);
  if (kernel.outcome == TuneOutcome::faster) {
    data_.tunables[kernel.name] = {kernel.values.begin(), kernel.values.end()};
    gains_[kernel.name] = gain_of(kernel);
  }
  write();
}

void TuningOutput::make_folder() const {
  std::error_code failed;
  if (!path_.parent_path().empty()) fs::create_directories(path_.parent_path(), failed);
  if (failed)
    throw IoError(path_.parent_path().string() + ": the folder cannot be made (" + failed.message() +
                  "); choose another --output");
}

void TuningOutput::write() const {
  const Json json{{"version", runtime::kTuningVersion}, {"device", info_.name},     {"driver", info_.driver},
                  {"platform", info_.platform_version}, {"date", today()},          {"commit", commit()},
                  {"tunables", data_.tunables},         {"choices", data_.choices}, {"gains", gains_}};
  write_file_atomically(path_, json.dump(2) + "\n");
}

}  // namespace apiq::tuning
