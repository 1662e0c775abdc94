#include "optim/schedule.hpp"

#include <cmath>
#include <numbers>

namespace apiq::optim {

double rate_factor(Schedule schedule, std::uint64_t step, std::uint64_t total) {
  if (schedule == Schedule::constant) return 1.0;
  const double part = static_cast<double>(step) / static_cast<double>(total);
  return 0.02 + 0.98 * 0.5 * (1.0 + std::cos(std::numbers::pi * part));
}

}  // namespace apiq::optim
