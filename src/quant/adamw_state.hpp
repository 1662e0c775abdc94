// The optimizer state of one flat parameter tensor.
#pragma once
#include "ops/adamw.hpp"
#include "runtime/queue.hpp"

namespace apiq::quant {

class AdamwState {
 public:
  AdamwState(runtime::Queue& queue, const runtime::TensorView& parameters, float learning_rate, float weight_decay)
      : parameters_(parameters.reshaped({parameters.elements()})),
        moments_(queue.device(), DType::f32, {2, parameters.elements()}, "optimizer moments"),
        options_{.learning_rate = learning_rate, .weight_decay = weight_decay} {
    queue.fill_zero(moments_);
  }

  /// One step, skipped on the device if loss is not finite. step counts from 1.
  void step(runtime::Queue& queue, std::uint32_t step, const runtime::TensorView& loss, const runtime::TensorView& gradients) {
    const std::uint64_t count = parameters_.elements();
    const runtime::TensorView& moments = moments_;
    ops::adamw_step(queue, options_, step, loss, parameters_, gradients.reshaped({count}), moments.rows(0, 1).reshaped({count}),
                    moments.rows(1, 1).reshaped({count}));
  }

 private:
  runtime::TensorView parameters_;
  runtime::DeviceTensor moments_;
  ops::AdamwOptions options_;
};

}  // namespace apiq::quant
