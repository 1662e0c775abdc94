#include "tune/acceptance.hpp"

#include <algorithm>
#include <cmath>

namespace apiq::tuning {

namespace {

constexpr double kSmallestGain = 0.02;  // less is not worth an entry, however sure

/// Between neighbours, linearly.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

bool Comparison::accepted() const { return speedup - 1 > std::max(spread, kSmallestGain); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

Comparison compare_rounds(const std::vector<std::vector<double>>& preset_ms,
                          const std::vector<std::vector<double>>& found_ms) {
  std::vector<double> speedups;
  for (std::size_t round = 0; round < preset_ms.size(); ++round) {
    double log_sum = 0;
    for (std::size_t i = 0; i < preset_ms[round].size(); ++i)
      log_sum += std::log(preset_ms[round][i] / found_ms[round][i]);
    speedups.push_back(std::exp(log_sum / static_cast<double>(preset_ms[round].size())));
  }
  std::sort(speedups.begin(), speedups.end());
  return {quantile(speedups, 0.5), quantile(speedups, 0.75) - quantile(speedups, 0.25)};
}

}  // namespace apiq::tuning
