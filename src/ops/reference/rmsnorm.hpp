// rmsnorm in fp64: plain loops, for tests.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace apiq::ops::reference {

/// y = x / sqrt(mean(x^2) + eps) * weight; x [tokens, weight.size()].
std::vector<double> rmsnorm_fwd(std::span<const double> x, std::span<const double> weight, double eps);
/// Gradient to x of sum(dy * y).
std::vector<double> rmsnorm_bwd(std::span<const double> x, std::span<const double> weight, double eps,
                                std::span<const double> dy);

}  // namespace apiq::ops::reference
