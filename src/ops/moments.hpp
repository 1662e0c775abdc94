// Second moments of a linear's input, H = X^T X / tokens: f32 [in, in], or f32 [in] where only the diagonal
// is kept. H itself is a dense product (ops/gemm.hpp); here is what else is done with it. Enqueued;
// ShapeError, DeviceError.   Kernels: cl/quant/moments.cl.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::Queue;
using runtime::TensorView;

/// moments += share * mean(diagonal) * I, in place, so that inputs that never occurred do not make it
/// singular. Source: GPTQ's damping (arXiv 2210.17323); our specification of recipes, 2.2.
void damp(Queue& queue, const TensorView& moments, float share = 0.01f);

/// y f32 [n] = the diagonal of moments f32 [n, n].
void take_diagonal(Queue& queue, const TensorView& moments, const TensorView& y);

/// y = x diag(d): x, y f32 [rows, n], d f32 [n]; y may alias x.
void scale_columns(Queue& queue, const TensorView& x, const TensorView& d, const TensorView& y);

}  // namespace apiq::ops
