// Loss and gradients of one linear layer under ApiQ's layer-wise objective (our specification, 2.5). With n = tokens * out_features:
//   Y = X What^T + c (X A^T) B^T,   L = sum (Y - target)^2 / n,   dY = 2 (Y - target) / n
//   dWhat = dY^T X (then reduced to the logits by the grid),   dB = c dY^T (X A^T),   dA = c (dY B)^T X
#pragma once
#include "quant/clipped_grid.hpp"
#include "quant/lora_state.hpp"

namespace apiq::quant {

class LinearGradients {
 public:
  LinearGradients(Queue& queue, ClippedGrid& grid, LoraState& lora, const Shape& weight_shape);

  /// x f32 [tokens, in], target f32 [tokens, out]; loss f32 [1] receives n L (the sum of squares). Gradients land in d_logits() and in
  /// lora.gradients(). The grid must be up to date. Enqueued.
  void compute(const TensorView& x, const TensorView& target, const TensorView& loss);

  /// f32 [2, out, groups], as ClippedGrid::logits.
  const TensorView& d_logits() const { return d_logits_; }

 private:
  Queue& queue_;
  ClippedGrid& grid_;
  LoraState& lora_;
  DeviceTensor what_, d_what_, d_logits_;
};

}  // namespace apiq::quant
