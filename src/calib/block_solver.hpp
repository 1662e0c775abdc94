// Solving one block: the method's part and both streams' way through the block. One solver for each scope a
// method can have.
#pragma once
#include <filesystem>
#include <memory>

#include "calib/phase_clock.hpp"
#include "calib/stream.hpp"
#include "calib/working_block.hpp"

namespace apiq::calib {

/// Both streams; none if the run has no calibration text.
struct Streams {
  std::unique_ptr<model::RopeTables> rope;
  std::unique_ptr<BlockAdapter> block;
  std::unique_ptr<Stream> full, quantized;
  explicit operator bool() const { return full != nullptr; }
};

/// Streams, tables and block function of a run with calibration text; the streams hold nothing yet.
Streams make_streams(const RunContext& run);

/// Where the streams' new residuals are saved; empty paths: nowhere.
struct SaveTo {
  std::filesystem::path full, quantized;
};

struct SolvedBlock {
  std::vector<std::pair<std::string, QuantizedLinear>> linears;
  BlockReport report;
};

class BlockSolver {
 public:
  virtual ~BlockSolver() = default;
  /// Leaves both streams behind the block. step_done(linear, steps): of the current linear, or of the block
  /// with linear 0.
  virtual SolvedBlock solve(WorkingBlock& weights, Streams& streams, const SaveTo& save,
                            PhaseClock& clock) = 0;
};

using StepDone = std::function<void(std::uint32_t linear, std::uint64_t steps)>;
/// The one for the method's scope.
std::unique_ptr<BlockSolver> make_solver(const RunContext& run, StepDone step_done);
std::unique_ptr<BlockSolver> make_linear_solver(const RunContext& run, StepDone step_done);
std::unique_ptr<BlockSolver> make_block_solver(const RunContext& run, StepDone step_done);

/// Both streams through a block that was solved before.
void replay(WorkingBlock& weights, const std::vector<std::pair<std::string, QuantizedLinear>>& linears,
            Streams& streams);

/// Sums of squared differences over all samples, sample by sample: add() gets one sample of each stream.
/// Enqueued; the sums are read back many samples at a time, so that the device does not pause after each.
class OutputError {
 public:
  explicit OutputError(Queue& queue)
      : queue_(queue), sums_(queue.device(), DType::f32, {kSamplesAtOnce, 2}, "error sums") {}
  void add(const TensorView& found, const TensorView& wanted);
  /// sum (found - wanted)^2 / sum wanted^2; waits
  double relative();
  /// sum (found - wanted)^2; waits
  double difference();

 private:
  static constexpr std::uint64_t kSamplesAtOnce = 64;
  void collect();

  Queue& queue_;
  DeviceTensor sums_;          // of samples that are not in the totals yet
  std::uint64_t waiting_ = 0;  // how many
  double difference_ = 0, size_ = 0;
};

}  // namespace apiq::calib
