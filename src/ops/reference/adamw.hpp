// AdamW in plain fp64, for tests: the formulas of ops/adamw.hpp.
#pragma once
#include <vector>

#include "ops/adamw.hpp"

namespace apiq::ops::reference {

struct AdamwState {
  std::vector<double> p, m, v;
};
/// One step in place; m and v start at zero, step at 1.
void adamw_step(const AdamwOptions& options, std::uint32_t step, const std::vector<float>& g,
                AdamwState& state);

}  // namespace apiq::ops::reference
