// The optimizer state of one parameter tensor.
#pragma once
#include "ops/adamw.hpp"
#include "runtime/queue.hpp"

namespace apiq::quant {

/// One optimizer step, shared by everything that is trained in it.
struct StepInfo {
  std::uint32_t step = 1;    // counts from 1
  double rate_factor = 1;    // of the schedule
  runtime::TensorView loss;  // f32 [1]: nothing is changed on the device if it is not finite
};

class AdamwState {
 public:
  AdamwState(runtime::Queue& queue, const runtime::TensorView& parameters, float learning_rate,
             float weight_decay)
      : parameters_(parameters),
        moments_(queue.device(), DType::f32, {2, parameters.elements()}, "optimizer moments"),
        options_{.learning_rate = learning_rate, .weight_decay = weight_decay} {
    queue.fill_zero(moments_);
  }

  static std::uint64_t device_bytes(std::uint64_t parameters) { return 2 * sizeof(float) * parameters; }

  void step(runtime::Queue& queue, const StepInfo& info, const runtime::TensorView& gradients) {
    step_rows(queue, info, 0, parameters_.shape[0], gradients);
  }

  /// A step of some rows of the parameters, with the gradients of those rows.
  void step_rows(runtime::Queue& queue, const StepInfo& info, std::uint64_t begin, std::uint64_t count,
                 const runtime::TensorView& gradients) {
    const runtime::TensorView part = parameters_.rows(begin, count);
    const std::uint64_t row = parameters_.elements() / parameters_.shape[0], elements = part.elements();
    const auto moment = [&](std::uint64_t which) {
      const runtime::TensorView& all = moments_;
      return all.rows(which, 1).reshaped({parameters_.elements()}).rows(begin * row, elements);
    };
    ops::AdamwOptions options = options_;
    options.learning_rate *= info.rate_factor;
    ops::adamw_step(queue, options, info.step, info.loss, part.reshaped({elements}),
                    gradients.reshaped({elements}), moment(0), moment(1));
  }

 private:
  runtime::TensorView parameters_;
  runtime::DeviceTensor moments_;
  ops::AdamwOptions options_;
};

}  // namespace apiq::quant
