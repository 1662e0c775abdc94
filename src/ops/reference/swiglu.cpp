#include "ops/reference/swiglu.hpp"

#include <cmath>

namespace apiq::ops::reference {

namespace {
double sigmoid(double value) { return 1 / (1 + std::exp(-value)); }
}  // namespace

std::vector<double> swiglu_fwd(std::span<const double> gate, std::span<const double> up) {
  std::vector<double> z(gate.size());
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = gate[i] * sigmoid(gate[i]) * up[i];
  return z;
}

SwigluGradient swiglu_bwd(std::span<const double> gate, std::span<const double> up,
                          std::span<const double> dz) {
  SwigluGradient d{std::vector<double>(gate.size()), std::vector<double>(gate.size())};
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double s = sigmoid(gate[i]);
    d.gate[i] = dz[i] * up[i] * s * (1 + gate[i] * (1 - s));
    d.up[i] = dz[i] * gate[i] * s;
  }
  return d;
}

}  // namespace apiq::ops::reference
