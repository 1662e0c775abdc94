// The optimizer state of one parameter tensor.
#pragma once
#include "ops/adamw.hpp"
#include "optim/step_info.hpp"
#include "runtime/queue.hpp"

namespace apiq::optim {

/// Moments of f32 parameters, and how many steps were skipped because their loss was not finite: those do not
/// count in the bias correction. Parameters that get their gradients a part at a time (step_rows) may see a
/// step skipped in some parts only, so each part of rows_per_part rows counts for itself.
class AdamwState {
 public:
  /// rows_per_part 0: all rows are one part.
  AdamwState(runtime::Queue& queue, const runtime::TensorView& parameters, float learning_rate,
             float weight_decay, std::uint64_t rows_per_part = 0);

  static std::uint64_t device_bytes(std::uint64_t parameters, std::uint64_t parts = 1) {
    return 2 * sizeof(float) * parameters + sizeof(std::uint32_t) * parts;
  }

  void step(runtime::Queue& queue, const StepInfo& info, const runtime::TensorView& gradients);
  /// A step of the part that begins at row `begin`, with the gradients of its rows.
  void step_rows(runtime::Queue& queue, const StepInfo& info, std::uint64_t begin,
                 const runtime::TensorView& gradients);

 private:
  runtime::TensorView parameters_;
  std::uint64_t rows_per_part_;
  runtime::DeviceTensor moments_, skipped_;
  ops::AdamwOptions options_;
};

}  // namespace apiq::optim
