#include "timing.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <thread>

namespace apiq::perf {

namespace {

double sample_milliseconds = 40;

/// Value below which the share `q` of the sorted samples lies, between neighbours in proportion.
double quantile(const std::vector<double>& sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const double above = sorted[std::min(below + 1, sorted.size() - 1)];
  return sorted[below] + (position - std::floor(position)) * (above - sorted[below]);
}

}  // namespace

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void set_sample_milliseconds(double milliseconds) { sample_milliseconds = milliseconds; }

Timing summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const double median = quantile(samples, 0.5);
  return {median, samples.front(), static_cast<int>(samples.size()),
          (quantile(samples, 0.75) - quantile(samples, 0.25)) / median};
}

int calls_per_sample(const Contender& contender) {
  contender.run(1);
  const double begin = now_ms();
  contender.run(1);
  return static_cast<int>(std::clamp(sample_milliseconds / std::max(now_ms() - begin, 1e-3), 1.0, 4000.0));
}

std::vector<Timing> interleave(const std::vector<Contender>& contenders, int rounds) {
  std::vector<int> counts;
  for (const auto& contender : contenders) counts.push_back(calls_per_sample(contender));
  const std::size_t n = contenders.size();
  std::vector<std::vector<double>> samples(n);
  for (std::size_t round = 0; round < static_cast<std::size_t>(rounds); ++round)
    for (std::size_t turn = 0; turn < n; ++turn) {
      const std::size_t i = (round + turn) % n;
      // Idle OpenBLAS threads go on spinning for some 20 ms; they must not take cores from whoever comes
      // next.
      std::this_thread::sleep_for(std::chrono::milliseconds(40));
      contenders[i].run(1 + counts[i] / 4);
      const double begin = now_ms();
      contenders[i].run(counts[i]);
      samples[i].push_back((now_ms() - begin) / counts[i]);
    }
  std::vector<Timing> out;
  for (auto& list : samples) out.push_back(summarize(std::move(list)));
  return out;
}

}  // namespace apiq::perf
