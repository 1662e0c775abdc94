#include "ops/reference/gemm.hpp"

namespace apiq::ops::reference {

namespace {

/// Distances in an operand: from line to line (rows of A, columns of B) and from k to k.
struct Steps {
  std::size_t line, k;
};

std::vector<double> product(std::span<const float> a, Steps a_steps, std::span<const float> b, Steps b_steps,
                            std::span<const float> c, std::size_t M, std::size_t N, std::size_t K,
                            double alpha, double beta) {
  std::vector<double> out(M * N);
  for (std::size_t m = 0; m < M; ++m)
    for (std::size_t n = 0; n < N; ++n) {
      double sum = 0;
      for (std::size_t k = 0; k < K; ++k)
        sum += static_cast<double>(a[m * a_steps.line + k * a_steps.k]) *
               static_cast<double>(b[n * b_steps.line + k * b_steps.k]);
      out[m * N + n] = alpha * sum + (beta != 0 ? beta * static_cast<double>(c[m * N + n]) : 0.0);
    }
  return out;
}

}  // namespace

std::vector<double> matmul_nt(std::span<const float> a, std::span<const float> b, std::span<const float> c,
                              std::size_t M, std::size_t N, std::size_t K, double alpha, double beta) {
  return product(a, {K, 1}, b, {K, 1}, c, M, N, K, alpha, beta);
}

std::vector<double> matmul_nn(std::span<const float> a, std::span<const float> b, std::span<const float> c,
                              std::size_t M, std::size_t N, std::size_t K, double alpha, double beta) {
  return product(a, {K, 1}, b, {1, N}, c, M, N, K, alpha, beta);
}

std::vector<double> matmul_tn(std::span<const float> a, std::span<const float> b, std::span<const float> c,
                              std::size_t M, std::size_t N, std::size_t K, double alpha, double beta) {
  return product(a, {1, M}, b, {1, N}, c, M, N, K, alpha, beta);
}

}  // namespace apiq::ops::reference
