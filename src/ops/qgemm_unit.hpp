// Products with a packed weight on a matrix unit, forward and backward: the weight is unpacked while it is
// staged.
#pragma once
#include "ops/qmatmul.hpp"
#include "runtime/matrix_unit.hpp"

namespace apiq::ops {

using runtime::UnitMode;

/// y = x dequant(w)^T + scaling * (x A^T) B^T. x and scale * (code - zero_point) are rounded to mode.input,
/// sums are fp32.
///   x f32|f16 [num_tokens, in_features], y f32|f16 [num_tokens, out_features]; must not alias. Meant for
///   many tokens.
/// Enqueued. Throws ShapeError, Unsupported (past 2^32 elements; no program for this unit), BuildError,
/// DeviceError.
void unit_qmatmul(Queue& queue, const UnitMode& mode, const PackedWeightView& w, const LoraView& lora,
                  const TensorView& x, const TensorView& y);

/// dx = dy dequant(w) + scaling * (dy B) A: the gradient with respect to x of unit_qmatmul.
///   dy f32|f16 [num_tokens, out_features], dx f32|f16 [num_tokens, in_features]; must not alias. Otherwise
///   as unit_qmatmul.
void unit_qmatmul_bwd(Queue& queue, const UnitMode& mode, const PackedWeightView& w, const LoraView& lora,
                      const TensorView& dy, const TensorView& dx);

}  // namespace apiq::ops
