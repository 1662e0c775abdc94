// swiglu in fp64: plain loops, for tests.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace apiq::ops::reference {

/// silu(gate) * up.
std::vector<double> swiglu_fwd(std::span<const double> gate, std::span<const double> up);

struct SwigluGradient {
  std::vector<double> gate, up;
};
/// Gradients of sum(dz * z).
SwigluGradient swiglu_bwd(std::span<const double> gate, std::span<const double> up,
                          std::span<const double> dz);

}  // namespace apiq::ops::reference
