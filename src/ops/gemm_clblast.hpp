// CLBlast as the second engine of the dense products (f32 only). Its header stays inside gemm_clblast.cpp.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::ops {

/// c[M, N] = alpha * op(a) op(b) + beta * c for f32 tensors; a_by_k: a is [M, K], else [K, M]; b_by_k: b is
/// [N, K], else [K, N]. a_stride: distance of neighbouring rows of a, at least their length. M, N and K at
/// least 1. Enqueued (CLBlast compiles its kernels at the first call: seconds). Throws DeviceError.
void clblast_gemm(runtime::Queue& queue, const runtime::TensorView& a, bool a_by_k, std::uint64_t a_stride,
                  const runtime::TensorView& b, bool b_by_k, const runtime::TensorView& c,
                  std::uint64_t inner, float alpha, float beta);

}  // namespace apiq::ops
