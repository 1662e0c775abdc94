// When a setting is better: by more than the rounds of its own measurement differ.
#pragma once
#include <vector>

namespace apiq::tuning {

struct Comparison {
  double speedup = 1;  // median over rounds of the geometric mean over cases of preset time / found time
  double spread = 0;   // distance of the quartiles of the same
  bool accepted() const;
};

/// [round][case], in milliseconds; both of one shape, at least one round and case, all positive.
Comparison compare_rounds(const std::vector<std::vector<double>>& preset_ms,
                          const std::vector<std::vector<double>>& found_ms);

/// Middle of the sorted values, the mean of two for an even count; not empty.
double median(std::vector<double> values);

}  // namespace apiq::tuning
