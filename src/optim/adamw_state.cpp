#include "optim/adamw_state.hpp"

namespace apiq::optim {

using runtime::Queue;
using runtime::TensorView;

AdamwState::AdamwState(Queue& queue, const TensorView& parameters, float learning_rate, float weight_decay,
                       std::uint64_t rows_per_part)
    : parameters_(parameters),
      rows_per_part_(rows_per_part != 0 ? rows_per_part : parameters.shape[0]),
      moments_(queue.device(), DType::f32, {2, parameters.elements()}, "optimizer moments"),
      skipped_(queue.device(), DType::u32, {(parameters.shape[0] + rows_per_part_ - 1) / rows_per_part_},
               "skipped steps"),
      options_{.learning_rate = learning_rate, .weight_decay = weight_decay} {
  queue.fill_zero(moments_);
  queue.fill_zero(skipped_);
}

void AdamwState::step(Queue& queue, const StepInfo& info, const TensorView& gradients) {
  step_rows(queue, info, 0, gradients.reshaped(parameters_.shape));
}

void AdamwState::step_rows(Queue& queue, const StepInfo& info, std::uint64_t begin,
                           const TensorView& gradients) {
  const TensorView part = parameters_.rows(begin, gradients.shape[0]);
  const std::uint64_t row = parameters_.elements() / parameters_.shape[0], elements = part.elements();
  const auto moment = [&](std::uint64_t which) {
    const TensorView& all = moments_;
    return all.rows(which, 1).reshaped({parameters_.elements()}).rows(begin * row, elements);
  };
  ops::AdamwOptions options = options_;
  options.learning_rate *= info.rate_factor;
  ops::adamw_step(queue, options, info.step, info.loss, skipped_.view().rows(begin / rows_per_part_, 1),
                  part.reshaped({elements}), gradients.reshaped({elements}), moment(0), moment(1));
}

}  // namespace apiq::optim
