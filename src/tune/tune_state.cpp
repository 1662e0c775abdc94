#include "tune/tune_state.hpp"

#include <cmath>

#include "apiq/error.hpp"
#include "report/tune_json.hpp"
#include "util/atomic_file.hpp"
#include "util/json.hpp"

namespace apiq::tuning {

namespace fs = std::filesystem;

namespace {

constexpr int kVersion = 1;
constexpr int kMostAttempts = 2;
constexpr const char* kWhatItIsNot = ": not the state of a tuning (use --restart or remove it)";
constexpr std::size_t kFileLimit = std::size_t{64} << 20;

Json json_of(const KernelState& state) {
  Json trials = Json::object();
  for (const auto& [point, trial] : state.memo)
    trials[point] = trial.reason.empty() ? Json(trial.cost) : Json(trial.reason);
  Json out{{"fingerprint", state.fingerprint}, {"finished", state.finished}, {"trials", trials}};
  if (state.has_result) out["result"] = kernel_json(state.result);
  return out;
}

KernelState state_from(const Json& json) {
  KernelState out;
  out.fingerprint = json.at("fingerprint").get<std::string>();
  out.finished = json.at("finished").get<bool>();
  for (const auto& [point, value] : json.at("trials").items())
    out.memo[point] =
        value.is_string() ? Trial{kRefused, value.get<std::string>()} : Trial{value.get<double>(), {}};
  out.has_result = json.contains("result");
  if (out.has_result) out.result = kernel_from_json(json.at("result"));
  return out;
}

}  // namespace

fs::path state_path(const fs::path& output) { return output.string() + ".state"; }

TuneState::TuneState(fs::path path, const DeviceInfo& info)
    : path_(std::move(path)), device_(info.name), driver_(info.driver) {}

void TuneState::load() {
  std::error_code ignored;
  if (!fs::exists(path_, ignored)) return;
  try {
    const Json json = parse_json(read_file(path_, kFileLimit), path_.string() + kWhatItIsNot, kFileLimit);
    if (json.at("version") != kVersion)
      throw FormatError(path_.string() + ": expected the state of a tuning of version " +
                        std::to_string(kVersion) + ", found " + json.at("version").dump() +
                        "; it was written by another version of apiq-tune: use --restart or remove it");
    if (json.at("device") != device_ || json.at("driver") != driver_) return;
    for (const auto& [key, value] : json.at("kernels").items()) kernels_[key] = state_from(value);
    if (json.contains("trying")) {
      const Json& trying = json.at("trying");
      attempt_ = {trying.at("kernel").get<std::string>(), trying.at("setting").get<std::string>(),
                  trying.at("times").get<int>()};
    }
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(path_.string() + kWhatItIsNot + ": " + error.what());
  }
}

void TuneState::save() const {
  if (kernels_.empty() && attempt_.times == 0) {
    std::error_code ignored;
    fs::remove(path_, ignored);
    return;
  }
  Json kernels = Json::object();
  for (const auto& [key, state] : kernels_) kernels[key] = json_of(state);
  Json json{{"version", kVersion}, {"device", device_}, {"driver", driver_}, {"kernels", kernels}};
  if (attempt_.times != 0)
    json["trying"] = {{"kernel", attempt_.kernel}, {"setting", attempt_.point}, {"times", attempt_.times}};
  write_file_atomically(path_, json.dump(1) + "\n");
}

KernelState& TuneState::of(const std::string& key, const std::string& fingerprint) {
  KernelState& state = kernels_[key];
  if (state.fingerprint != fingerprint) {
    state = {};
    state.fingerprint = fingerprint;
  }
  return state;
}

bool TuneState::begin(const std::string& key, const std::string& point) {
  const bool again = attempt_.kernel == key && attempt_.point == point;
  if (again && attempt_.times >= kMostAttempts) return false;
  attempt_ = {key, point, again ? attempt_.times + 1 : 1};
  save();
  return true;
}

}  // namespace apiq::tuning
