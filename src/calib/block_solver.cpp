#include "calib/block_solver.hpp"

#include "ops/nn.hpp"

namespace apiq::calib {

Streams make_streams(const RunContext& run) {
  Streams out;
  out.rope = std::make_unique<model::RopeTables>(run.queue, run.config(), run.set.sequence_length);
  out.block =
      std::make_unique<BlockAdapter>(run.queue, run.config().block, *out.rope, run.set.sequence_length);
  out.full = std::make_unique<Stream>(run, *out.rope, "full");
  out.quantized = std::make_unique<Stream>(run, *out.rope, "quantized");
  return out;
}

std::unique_ptr<BlockSolver> make_solver(const RunContext& run, StepDone step_done) {
  return run.method.traits().scope == quant::Scope::block ? make_block_solver(run, std::move(step_done))
                                                          : make_linear_solver(run, std::move(step_done));
}

void OutputError::add(const TensorView& found, const TensorView& wanted) {
  ops::relative_error_sums(queue_, found, wanted, sums_.view().rows(waiting_, 1).reshaped({2}));
  if (++waiting_ == kSamplesAtOnce) collect();
}

void OutputError::collect() {
  if (waiting_ == 0) return;
  const auto values = runtime::read_floats(queue_, sums_.view().rows(0, waiting_));
  for (std::size_t i = 0; i < values.size(); i += 2) {
    difference_ += values[i];
    size_ += values[i + 1];
  }
  waiting_ = 0;
}

double OutputError::relative() {
  collect();
  return difference_ / size_;
}

double OutputError::difference() {
  collect();
  return difference_;
}

}  // namespace apiq::calib
