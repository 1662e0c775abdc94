#include "ops/reference/rmsnorm.hpp"

#include <cmath>

namespace apiq::ops::reference {

namespace {

double rho_of(std::span<const double> row, double eps) {
  double squares = 0;
  for (const double value : row) squares += value * value;
  return std::sqrt(squares / static_cast<double>(row.size()) + eps);
}

}  // namespace

std::vector<double> rmsnorm_fwd(std::span<const double> x, std::span<const double> weight, double eps) {
  const std::size_t n = weight.size();
  std::vector<double> y(x.size());
  for (std::size_t row = 0; row < x.size(); row += n) {
    const double rho = rho_of(x.subspan(row, n), eps);
    for (std::size_t i = 0; i < n; ++i) y[row + i] = x[row + i] / rho * weight[i];
  }
  return y;
}

std::vector<double> rmsnorm_bwd(std::span<const double> x, std::span<const double> weight, double eps,
                                std::span<const double> dy) {
  const std::size_t n = weight.size();
  std::vector<double> dx(x.size());
  for (std::size_t row = 0; row < x.size(); row += n) {
    const double rho = rho_of(x.subspan(row, n), eps);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += weight[i] * dy[row + i] * x[row + i];
    for (std::size_t i = 0; i < n; ++i)
      dx[row + i] =
          weight[i] * dy[row + i] / rho - x[row + i] * sum / (static_cast<double>(n) * rho * rho * rho);
  }
  return dx;
}

}  // namespace apiq::ops::reference
