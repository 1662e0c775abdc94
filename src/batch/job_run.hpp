// One job on its way through its steps: finished ones are passed over, the next one is started, its end is
// judged.
#pragma once
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "apiq/batch.hpp"
#include "batch/process.hpp"
#include "batch/step_state.hpp"

namespace apiq {

class JobRun {
 public:
  /// Lines for the log go to callbacks.message. The row must outlive this.
  JobRun(const Batch& batch, const BatchJob& job, std::string device, BatchRow& row,
         const Callbacks& callbacks);

  /// Goes as far as it can without waiting. True when the job has ended; its row then says how. Throws
  /// nothing of a job's own: whatever goes wrong with it is in its row.
  bool advance();
  /// Asks the running step to stop; the job ends as interrupted once it has.
  void interrupt();

 private:
  bool pass_step();   // the current step is finished already
  void start_step();  // in a new process
  bool end_step(const ProcessEnd& end);
  void limit_time();  // of the running step
  double seconds_since_start() const;
  std::string error_of(const ProcessEnd& end) const;
  void fail(const std::string& error);
  void say(const std::string& line) const;
  const BatchStep& step() const { return job_.steps[index_]; }

  const Batch& batch_;
  const BatchJob& job_;
  std::string device_;
  BatchRow& row_;
  const Callbacks& callbacks_;
  std::size_t index_ = 0;
  bool outdated_ = false;     // the current step was done, or begun, with another key
  bool fresh_ = false;        // a step ran now, so that those after it must
  nlohmann::json first_key_;  // of the first step, on whose product the others work
  StepFiles files_;
  StepState state_;  // of the current step
  FileDescriptor log_;
  std::unique_ptr<Process> process_;
  bool interrupted_ = false, too_long_ = false;
  std::chrono::steady_clock::time_point start_{};
};

/// "killed by signal 11 (Segmentation fault); the last line of its log: ..." for a step that did not end
/// well.
std::string failure_text(const ProcessEnd& end, const std::filesystem::path& log);

}  // namespace apiq
