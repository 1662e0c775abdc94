// Losses in plain fp64 loops, for tests: the formulas of ops/nn.hpp.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace apiq::ops::reference {

struct CrossEntropy {
  std::vector<double> loss;
  std::vector<std::uint32_t> argmax;
};
/// logits [rows, vocab], targets [rows]; a target that is not below vocab gives loss 0.
CrossEntropy cross_entropy_fwd(std::span<const float> logits, std::span<const std::uint32_t> targets);
std::vector<double> cross_entropy_bwd(std::span<const float> logits, std::span<const std::uint32_t> targets,
                                      double scale);
std::vector<double> kl_divergence_fwd(std::span<const float> reference, std::span<const float> logits,
                                      std::size_t rows);

/// { sum (a - b)^2, sum b^2 }
std::vector<double> relative_error_sums(std::span<const float> a, std::span<const float> b);

/// log(sum(exp(row)))
double log_sum_exp(std::span<const float> row);

}  // namespace apiq::ops::reference
