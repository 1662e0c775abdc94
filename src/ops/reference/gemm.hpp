// fp64 reference of the dense products (ops/gemm.hpp).
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace apiq::ops::reference {

/// c = alpha * a b^T + beta * c:  a [M, K], b [N, K], c [M, N].
std::vector<double> matmul_nt(std::span<const float> a, std::span<const float> b, std::span<const float> c,
                              std::size_t M, std::size_t N, std::size_t K, double alpha = 1.0,
                              double beta = 0.0);
/// c = alpha * a b + beta * c:    a [M, K], b [K, N].
std::vector<double> matmul_nn(std::span<const float> a, std::span<const float> b, std::span<const float> c,
                              std::size_t M, std::size_t N, std::size_t K, double alpha = 1.0,
                              double beta = 0.0);
/// c = alpha * a^T b + beta * c:  a [K, M], b [K, N].
std::vector<double> matmul_tn(std::span<const float> a, std::span<const float> b, std::span<const float> c,
                              std::size_t M, std::size_t N, std::size_t K, double alpha = 1.0,
                              double beta = 0.0);

}  // namespace apiq::ops::reference
