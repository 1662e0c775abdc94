// The packed linears of a block that share their input, for one token: norm, preparation, LoRA, products and
// what follows them in two launches instead of up to a dozen. What decoding of packed models runs on where
// the token kernel (ops/decode.hpp) does not.
#pragma once
#include <span>

#include "ops/qmatmul.hpp"

namespace apiq::ops {

struct StageLinear {
  PackedWeightView weight;
  LoraView lora;
  TensorView
      y;  // [1, out_features], or of the whole stage where its output is gated: then only the first's is used
};

enum class StageOutput {
  store,  // y = h W^T
  add,    // y += h W^T
  gated,  // y = silu(h W0^T) * (h W1^T)
};

/// Whether these linears make a stage: at most three, of the same bits and group size, groups and in_features
/// in whole chunks.
bool is_stage(std::span<const PackedWeightView> weights);

/// h = rmsnorm(x) * norm, or x where norm is empty (memory nullptr); then the products, LoRA included.
///   x [1, in_features] and every y f32 or f16 alike; norm f32 [in_features]. y must not alias x.
/// Enqueued. Throws ShapeError, InvalidArgument if the linears are no stage.   Kernels: cl/decode/stage.cl.
void decode_stage(Queue& queue, std::span<const StageLinear> linears, const TensorView& x,
                  const TensorView& norm, float eps, StageOutput output);

}  // namespace apiq::ops
