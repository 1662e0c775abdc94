#include "ops/reference/adamw.hpp"

#include <cmath>

namespace apiq::ops::reference {

void adamw_step(const AdamwOptions& options, std::uint32_t step, const std::vector<float>& g,
                AdamwState& state) {
  const double correction1 = 1.0 - std::pow(options.beta1, step),
               correction2 = 1.0 - std::pow(options.beta2, step);
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double gradient = g[i];
    state.m[i] = options.beta1 * state.m[i] + (1.0 - options.beta1) * gradient;
    state.v[i] = options.beta2 * state.v[i] + (1.0 - options.beta2) * gradient * gradient;
    state.p[i] *= 1.0 - options.learning_rate * options.weight_decay;
    state.p[i] -= options.learning_rate / correction1 * state.m[i] /
                  (std::sqrt(state.v[i] / correction2) + options.eps);
  }
}

}  // namespace apiq::ops::reference
