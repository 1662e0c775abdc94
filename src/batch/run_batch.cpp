#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include "apiq/error.hpp"
#include "batch/job_run.hpp"
#include "batch/manifest.hpp"
#include "batch/rows.hpp"
#include "util/atomic_file.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
constexpr auto kPollInterval = 20ms;  // far below what a step takes, and no load

/// Held while a batch runs. Shards share the folder: each holds it as one of many, a whole batch alone.
FileDescriptor locked_output(const Batch& batch) {
  const fs::path folder = (batch.folder / batch.output).lexically_normal();
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) throw IoError(folder.string() + ": cannot be made: " + failed.message());
  auto lock = open_locked(folder / "batch.lock", batch.is_shard);
  if (!lock)
    throw InvalidArgument(
        folder.string() +
        ": another apiq-batch works in this output folder; wait for it, or change 'output'");
  return std::move(*lock);
}

class Scheduler {
 public:
  Scheduler(const Batch& batch, const Callbacks& callbacks)
      : batch_(batch), callbacks_(callbacks), slots_(batch.devices.size()) {
    for (const BatchJob& job : batch.jobs) result_.rows.push_back(planned_row(batch, job));
  }

  BatchResult run() {
    while (step()) std::this_thread::sleep_for(kPollInterval);
    for (const BatchRow& row : result_.rows) result_.failed += row.status == BatchStatus::failed;
    return std::move(result_);
  }

 private:
  /// Looks at every device once. False when nothing is left to do.
  bool step() {
    const bool stop = callbacks_.stop && callbacks_.stop->load();
    result_.interrupted = result_.interrupted || stop;
    bool working = false;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (stop && slots_[i]) slots_[i]->interrupt();
      while (advance(i, stop)) {
      }
      working = working || slots_[i];
    }
    return working;
  }

  /// True if the device is free and there may be another job for it.
  bool advance(std::size_t slot, bool stop) {
    std::unique_ptr<JobRun>& run = slots_[slot];
    if (!run) {
      if (stop || next_ == batch_.jobs.size()) return false;
      run = std::make_unique<JobRun>(batch_, batch_.jobs[next_], batch_.devices[slot], result_.rows[next_],
                                     callbacks_);
      ++next_;
    }
    if (!run->advance()) return false;
    run.reset();
    ++ended_;
    if (callbacks_.progress)
      callbacks_.progress(
          {"job " + std::to_string(ended_) + "/" + std::to_string(batch_.jobs.size()) + " has ended", ended_,
           batch_.jobs.size(), 0});
    return true;
  }

  const Batch& batch_;
  const Callbacks& callbacks_;
  BatchResult result_;
  std::vector<std::unique_ptr<JobRun>> slots_;  // one a device
  std::size_t next_ = 0, ended_ = 0;
};

std::string quoted_command(const BatchProgram& program, const BatchStep& step) {
  std::vector<const char*> words = {program.path.c_str()};
  for (const std::string& argument : step.arguments) words.push_back(argument.c_str());
  return command_text(static_cast<int>(words.size()), words.data());
}

/// "finished", "to run", "to run again, changed since: inputs".
std::string plan_text(const Batch& batch, const BatchStep& step, nlohmann::json& first_key, bool& fresh) {
  const StepFiles files = step_files(batch, step);
  const StepState state = load_state(files);
  const nlohmann::json key = step_key(batch, step, first_key);
  if (first_key.is_null()) first_key = key;
  if (!fresh && is_finished(files, state, key)) return "finished";
  fresh = true;
  const std::string changed = state.key.is_null() ? "" : changed_parts(state.key, key);
  if (!changed.empty()) return "to run again, changed since: " + changed;
  return state.error.empty() ? "to run" : "to run again, last time: " + state.error;
}

}  // namespace

Batch read_batch(const fs::path& manifest, const fs::path& program_folder) {
  const auto source = [&](const std::string& name, const fs::path& given) {
    const fs::path path = given.empty() ? program_folder / ("apiq-" + name) : given;
    if (!fs::exists(path))
      throw FormatError(manifest.string() + ": " + path.string() +
                        " does not exist; this installation has no apiq-" + name);
    return describe_program(path);
  };
  return expand_manifest(parse_manifest(read_file(manifest, std::uint64_t{16} << 20), manifest, source));
}

void select_jobs(Batch& batch, const std::string& pattern) {
  std::erase_if(batch.jobs,
                [&](const BatchJob& job) { return ::fnmatch(pattern.c_str(), job.name.c_str(), 0) != 0; });
  if (batch.jobs.empty())
    throw InvalidArgument("no job of the manifest matches '" + excerpt(pattern) + "'; --dry-run lists them");
}

void select_shard(Batch& batch, const std::string& shard) {
  std::size_t index = 0, count = 0;
  const char* const end = shard.data() + shard.size();
  const auto first = std::from_chars(shard.data(), end, index);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, count) : first;
  if (!slash || second.ec != std::errc() || second.ptr != end || index == 0 || index > count)
    throw InvalidArgument("expected I/N with I from 1 to N, found '" + excerpt(shard) + "'");
  std::vector<BatchJob> kept;
  for (std::size_t i = index - 1; i < batch.jobs.size(); i += count) kept.push_back(std::move(batch.jobs[i]));
  batch.jobs = std::move(kept);
  batch.is_shard = true;
}

BatchResult run_batch(const Batch& batch, const Callbacks& callbacks) {
  const FileDescriptor lock = locked_output(batch);
  return Scheduler(batch, callbacks).run();
}

std::vector<std::string> describe_batch(const Batch& batch) {
  std::vector<std::string> out;
  std::string folder = batch.folder.string();
  const char* const words[] = {"cd", folder.c_str()};
  out.push_back(command_text(2, words));
  for (const BatchJob& job : batch.jobs) {
    nlohmann::json first_key;
    bool fresh = false;
    for (const BatchStep& step : job.steps) {
      out.push_back("# " + step.id + ": " + plan_text(batch, step, first_key, fresh));
      out.push_back(quoted_command(batch.programs.at(step.program), step));
    }
  }
  return out;
}

const char* status_name(BatchStatus status) {
  switch (status) {
    case BatchStatus::kept: return "kept";
    case BatchStatus::done: return "done";
    case BatchStatus::failed: return "failed";
    case BatchStatus::interrupted: return "interrupted";
    case BatchStatus::not_run: break;
  }
  return "not run";
}

}  // namespace apiq
