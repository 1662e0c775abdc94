// Dense products on a matrix unit: the same three forms as ops/gemm.hpp. Whether a device has the unit is the
// caller's business; a unit that the device's compiler does not know ends in a BuildError.
#pragma once
#include "ops/gemm.hpp"
#include "runtime/matrix_unit.hpp"

namespace apiq::ops {

using runtime::UnitMode;

/// c = alpha * a b^T + beta * c, operands rounded (to nearest even) to mode.input, sums in fp32.
///   a f32|f16 [M, K], b f32|f16 [N, K], c f32|f16 [M, N]; row-major, c must not alias a or b.
/// Each product carries a relative error of up to 2 * 2^-8 (bf16) or 2 * 2^-11 (f16) from its factors; with
/// f16, factors past 65504 become infinite. A sum of fp32 products of exact factors is added up in an order
/// the hardware chooses. Enqueued. Throws ShapeError, Unsupported (past 2^32 elements; no program for this
/// unit), BuildError, DeviceError.
void unit_matmul_nt(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b,
                    const TensorView& c, float alpha = 1.0f, float beta = 0.0f);

/// c = alpha * a b + beta * c:    a [M, K], b [K, N]. Otherwise as unit_matmul_nt.
void unit_matmul_nn(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b,
                    const TensorView& c, float alpha = 1.0f, float beta = 0.0f);

/// c = alpha * a^T b + beta * c:  a [K, M], b [K, N]. Otherwise as unit_matmul_nt.
void unit_matmul_tn(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b,
                    const TensorView& c, float alpha = 1.0f, float beta = 0.0f);

/// The same for some columns of a, read where they lie (ops/gemm.hpp).
void unit_matmul_tn(Queue& queue, const UnitMode& mode, const Columns& a, const TensorView& b,
                    const TensorView& c, float alpha = 1.0f, float beta = 0.0f);

}  // namespace apiq::ops
