// What is kept of a step besides its result: what it was made from, so that a later run can tell whether it
// is still up to date.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "apiq/batch.hpp"

namespace apiq {

/// Where the files of a step are.
struct StepFiles {
  std::filesystem::path result, log, state, product;  // product is empty if there is none
};
StepFiles step_files(const Batch& batch, const BatchStep& step);

/// Everything the result depends on: the program's version, its arguments (without the device), path, size
/// and time of change of every input file, and the key of the step before if there is one. Keys are compared
/// whole. Throws IoError if an input is gone.
nlohmann::json step_key(const Batch& batch, const BatchStep& step, const nlohmann::json& key_before);

struct StepState {
  nlohmann::json key;  // null: never started
  BatchStatus status = BatchStatus::not_run;
  std::string error, device;
  double seconds = 0;  // of the process
};

/// A state that is missing or cannot be read is that of a step which was never started.
StepState load_state(const StepFiles& files);
void save_state(const StepFiles& files, const StepState& state);

/// Done with this key, and its files are there.
bool is_finished(const StepFiles& files, const StepState& state, const nlohmann::json& key);

/// "arguments, inputs": what differs between two keys.
std::string changed_parts(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace apiq
