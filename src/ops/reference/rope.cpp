#include "ops/reference/rope.hpp"

#include <cmath>

namespace apiq::ops::reference {

std::vector<double> rope(std::span<const double> x, std::size_t heads, std::size_t head_dim, double theta,
                         std::size_t first_position, bool inverse) {
  const std::size_t pairs = head_dim / 2;
  std::vector<double> out(x.size());
  for (std::size_t at = 0; at < x.size(); at += head_dim) {
    const double position = static_cast<double>(first_position + at / (heads * head_dim));
    for (std::size_t j = 0; j < pairs; ++j) {
      const double angle = position *
                           std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(head_dim)) *
                           (inverse ? -1 : 1);
      const double a = x[at + j], b = x[at + j + pairs];
      out[at + j] = a * std::cos(angle) - b * std::sin(angle);
      out[at + j + pairs] = b * std::cos(angle) + a * std::sin(angle);
    }
  }
  return out;
}

}  // namespace apiq::ops::reference
