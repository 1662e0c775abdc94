// Dense matrix products in the three forms training needs. Two engines behind one interface: our own tunable
// kernel and CLBlast; which one a device uses is measured, see gemm_engine(). Where the rounding that a
// product allows is that of a matrix unit, and the device has shown it right and faster, it takes over.
#pragma once
#include <string>

#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::Queue;
using runtime::Rounding;
using runtime::TensorView;

/// c = alpha * a b^T + beta * c          (forward: y = x w^T)
///   a f32|f16 [M, K], b f32|f16 [N, K], c f32|f16 [M, N]; row-major, c must not alias a or b.
///   rounding: what a and b may be rounded to on the way into the product
/// Enqueued; accumulates in fp32 in a fixed order. Throws ShapeError, Unsupported (past 2^32 elements),
/// DeviceError.
void matmul_nt(Queue& queue, Rounding rounding, const TensorView& a, const TensorView& b, const TensorView& c,
               float alpha = 1.0f, float beta = 0.0f);

/// c = alpha * a b + beta * c            (dx = dy w):    a [M, K], b [K, N], c [M, N]. Otherwise as
/// matmul_nt.
void matmul_nn(Queue& queue, Rounding rounding, const TensorView& a, const TensorView& b, const TensorView& c,
               float alpha = 1.0f, float beta = 0.0f);

/// c = alpha * a^T b + beta * c          (dw = dy^T x):  a [K, M], b [K, N], c [M, N]. Otherwise as
/// matmul_nt.
void matmul_tn(Queue& queue, Rounding rounding, const TensorView& a, const TensorView& b, const TensorView& c,
               float alpha = 1.0f, float beta = 0.0f);

/// `count` neighbouring columns of a matrix [rows, columns], read where they lie.
struct Columns {
  TensorView matrix;
  std::uint64_t begin = 0, count = 0;
};

/// c = alpha * a^T b + beta * c for some columns of a: M = a.count, K = rows of a.matrix. The bits are those
/// of the product with a dense copy of the columns. So dW = dY^T X comes a slab of rows at a time and is
/// never whole in memory. Throws ShapeError past the last column.
void matmul_tn(Queue& queue, Rounding rounding, const Columns& a, const TensorView& b, const TensorView& c,
               float alpha = 1.0f, float beta = 0.0f);

/// "own" or "clblast": what this device's tuning file says for f32 products ("gemm.engine"), or "auto": the
/// faster one by measurement (ops/fast_path). APIQ_GEMM overrides.
std::string gemm_engine(Queue& queue);

}  // namespace apiq::ops
