#include "ops/reference/loss.hpp"

#include <algorithm>
#include <cmath>

namespace apiq::ops::reference {

double log_sum_exp(std::span<const float> row) {
  const double top = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(x - top);
  return top + std::log(sum);
}

CrossEntropy cross_entropy_fwd(std::span<const float> logits, std::span<const std::uint32_t> targets) {
  CrossEntropy out;
  const std::size_t vocab = logits.size() / targets.size();
  for (std::size_t r = 0; r < targets.size(); ++r) {
    const auto row = logits.subspan(r * vocab, vocab);
    out.loss.push_back(targets[r] < vocab ? log_sum_exp(row) - row[targets[r]] : 0.0);
    out.argmax.push_back(static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  return out;
}

std::vector<double> cross_entropy_bwd(std::span<const float> logits, std::span<const std::uint32_t> targets,
                                      double scale) {
  std::vector<double> out;
  const std::size_t vocab = logits.size() / targets.size();
  for (std::size_t r = 0; r < targets.size(); ++r) {
    const auto row = logits.subspan(r * vocab, vocab);
    const double lse = log_sum_exp(row);
    for (std::size_t i = 0; i < vocab; ++i)
      out.push_back(targets[r] < vocab ? (std::exp(row[i] - lse) - (i == targets[r] ? 1.0 : 0.0)) * scale
                                       : 0.0);
  }
  return out;
}

std::vector<double> kl_divergence_fwd(std::span<const float> reference, std::span<const float> logits,
                                      std::size_t rows) {
  std::vector<double> out;
  const std::size_t vocab = logits.size() / rows;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto p_row = reference.subspan(r * vocab, vocab), q_row = logits.subspan(r * vocab, vocab);
    const double p_lse = log_sum_exp(p_row), q_lse = log_sum_exp(q_row);
    double sum = 0;
    for (std::size_t i = 0; i < vocab; ++i) {
      const double log_p = p_row[i] - p_lse, log_q = q_row[i] - q_lse, p = std::exp(log_p);
      if (p > 0) sum += p * (log_p - log_q);
    }
    out.push_back(sum);
  }
  return out;
}

std::vector<double> relative_error_sums(std::span<const float> a, std::span<const float> b) {
  std::vector<double> sums(2, 0.0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - b[i];
    sums[0] += d * d;
    sums[1] += static_cast<double>(b[i]) * b[i];
  }
  return sums;
}

}  // namespace apiq::ops::reference
