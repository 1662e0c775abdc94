#include "batch/step_state.hpp"

#include <algorithm>
#include <chrono>

#include "apiq/error.hpp"
#include "util/atomic_file.hpp"
#include "util/json.hpp"
#include "util/sha256.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kStateLimit = std::uint64_t{16} << 20;

json file_key(const fs::path& file, const std::string& name) {
  std::error_code failed;
  const std::uint64_t bytes = fs::file_size(file, failed);
  if (failed) throw IoError(file.string() + ": cannot be read: " + failed.message());
  const auto changed = fs::last_write_time(file, failed).time_since_epoch();
  return {{"path", name},
          {"bytes", bytes},
          {"changed", std::chrono::duration_cast<std::chrono::nanoseconds>(changed).count()}};
}

/// Of a model directory, the files that programs read: a changed README does not make results outdated.
bool belongs_to_model(const fs::path& file) {
  static const std::vector<std::string> kRead = {".json", ".safetensors", ".model"};
  return std::find(kRead.begin(), kRead.end(), file.extension().string()) != kRead.end();
}

void add_input(json& out, const fs::path& folder, const fs::path& input) {
  const fs::path found = folder / input;
  if (!fs::is_directory(found)) {
    out.push_back(file_key(found, input.generic_string()));
    return;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(found)) {
    if (entry.is_regular_file() && belongs_to_model(entry.path())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files)
    out.push_back(file_key(file, (input / file.filename()).generic_string()));
}

}  // namespace

StepFiles step_files(const Batch& batch, const BatchStep& step) {
  const fs::path stem = batch.folder / batch.output / step.id;
  return {stem.string() + ".json", stem.string() + ".log", stem.string() + ".state",
          step.product.empty() ? fs::path() : batch.folder / step.product};
}

json step_key(const Batch& batch, const BatchStep& step, const json& key_before) {
  json out = {{"program", batch.programs.at(step.program).version},
              {"arguments", step.arguments},
              {"inputs", json::array()}};
  for (const fs::path& input : step.inputs) add_input(out["inputs"], batch.folder, input);
  if (!key_before.is_null()) out["made_from"] = sha256_of(key_before.dump());
  return out;
}

StepState load_state(const StepFiles& files) {
  StepState out;
  if (!fs::exists(files.state)) return out;
  try {
    const json state = parse_json(read_file(files.state, kStateLimit), files.state.string());
    out.key = state.at("key");
    const std::string status = state.at("status");
    out.status = status == status_name(BatchStatus::done) ? BatchStatus::done : BatchStatus::failed;
    out.error = state.at("error");
    out.device = state.at("device");
    out.seconds = state.at("seconds");
  } catch (const Error&) {
    return {};  // cut short or from elsewhere: the step is done again, which is always right
  } catch (const json::exception&) {
    return {};
  }
  return out;
}

void save_state(const StepFiles& files, const StepState& state) {
  const json out = {{"key", state.key},
                    {"status", status_name(state.status)},
                    {"error", state.error},
                    {"device", state.device},
                    {"seconds", state.seconds}};
  write_file_atomically(files.state, out.dump(1) + "\n");
}

bool is_finished(const StepFiles& files, const StepState& state, const json& key) {
  return state.status == BatchStatus::done && state.key == key && fs::exists(files.result) &&
         (files.product.empty() || fs::exists(files.product));
}

std::string changed_parts(const json& before, const json& now) {
  std::vector<std::string> out;
  for (const char* part : {"arguments", "inputs", "program", "made_from"}) {
    const std::string name = std::string(part) == "made_from" ? "the model it is made from"
                             : std::string(part) == "program" ? "program version"
                                                              : part;
    if (before.value(part, json()) != now.value(part, json())) out.push_back(name);
  }
  return join(out, ", ");
}

}  // namespace apiq
