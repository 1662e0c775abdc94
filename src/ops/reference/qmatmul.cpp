#include "ops/reference/qmatmul.hpp"

#include <cmath>

namespace apiq::ops::reference {
namespace {

// sum over features of x * weight(row, feature), plus LoRA, with every factor replaced by its magnitude if
// asked for.
template <class Weight>
std::vector<double> product(const QmatmulProblem& p, bool magnitudes, Weight weight) {
  const auto value = [magnitudes](double v) { return magnitudes ? std::fabs(v) : v; };
  std::vector<double> y(p.num_tokens * p.out_features);
  std::vector<double> t(p.rank);
  for (std::size_t m = 0; m < p.num_tokens; ++m) {
    const float* x = &p.x[m * p.in_features];
    for (std::size_t r = 0; r < p.rank; ++r) {
      t[r] = 0;
      for (std::size_t k = 0; k < p.in_features; ++k)
        t[r] += value(x[k]) * value(p.lora_A[r * p.in_features + k]);
    }
    for (std::size_t row = 0; row < p.out_features; ++row) {
      double sum = 0;
      for (std::size_t k = 0; k < p.in_features; ++k) sum += value(x[k]) * weight(row, k);
      for (std::size_t r = 0; r < p.rank; ++r) sum += p.scaling * t[r] * value(p.lora_B[row * p.rank + r]);
      y[m * p.out_features + row] = sum;
    }
  }
  return y;
}

// sum over rows of dy * weight(row, feature), plus LoRA, with magnitudes if asked for.
template <class Weight>
std::vector<double> gradient(const QmatmulProblem& p, std::span<const float> dy, bool magnitudes,
                             Weight weight) {
  const auto value = [magnitudes](double v) { return magnitudes ? std::fabs(v) : v; };
  std::vector<double> dx(p.num_tokens * p.in_features, 0.0);
  for (std::size_t m = 0; m < p.num_tokens; ++m) {
    double* out = &dx[m * p.in_features];
    std::vector<double> u(p.rank, 0.0);
    for (std::size_t row = 0; row < p.out_features; ++row) {
      const double g = value(dy[m * p.out_features + row]);
      for (std::size_t k = 0; k < p.in_features; ++k) out[k] += g * weight(row, k);
      for (std::size_t r = 0; r < p.rank; ++r) u[r] += g * value(p.lora_B[row * p.rank + r]);
    }
    for (std::size_t r = 0; r < p.rank; ++r)
      for (std::size_t k = 0; k < p.in_features; ++k)
        out[k] += p.scaling * u[r] * value(p.lora_A[r * p.in_features + k]);
  }
  return dx;
}

// |scale| * (code + zero): what a weight's rounding errors scale with.
double weight_magnitude(const QmatmulProblem& p, std::size_t row, std::size_t k) {
  const std::size_t g = row * (p.in_features / p.group_size) + k / p.group_size;
  return std::fabs(static_cast<double>(p.scales[g])) * (p.codes[row * p.in_features + k] + p.zeros[g]);
}

}  // namespace

std::vector<double> dequantize(const QmatmulProblem& p) {
  const std::size_t groups = p.in_features / p.group_size;
  std::vector<double> w(p.out_features * p.in_features);
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::size_t g = i / p.in_features * groups + i % p.in_features / p.group_size;
    w[i] = static_cast<double>(p.scales[g]) * (static_cast<int>(p.codes[i]) - static_cast<int>(p.zeros[g]));
  }
  return w;
}

std::vector<double> qmatmul(const QmatmulProblem& p) {
  const std::vector<double> w = dequantize(p);
  return product(p, false, [&](std::size_t row, std::size_t k) { return w[row * p.in_features + k]; });
}

std::vector<double> qmatmul_magnitude(const QmatmulProblem& p) {
  return product(p, true, [&](std::size_t row, std::size_t k) { return weight_magnitude(p, row, k); });
}

std::vector<double> qmatmul_bwd(const QmatmulProblem& p, std::span<const float> dy) {
  const std::vector<double> w = dequantize(p);
  return gradient(p, dy, false, [&](std::size_t row, std::size_t k) { return w[row * p.in_features + k]; });
}

std::vector<double> qmatmul_bwd_magnitude(const QmatmulProblem& p, std::span<const float> dy) {
  return gradient(p, dy, true, [&](std::size_t row, std::size_t k) { return weight_magnitude(p, row, k); });
}

}  // namespace apiq::ops::reference
