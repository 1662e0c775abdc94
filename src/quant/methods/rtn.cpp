#include "quant/methods/rtn.hpp"

#include "quant/clipped_grid.hpp"

namespace apiq::quant {

LinearResult Rtn::quantize_linear(const LinearProblem& problem) {
  ops::QuantSpec spec = problem.spec;
  spec.clip = false;
  LinearResult result;
  result.linear.weight = ClippedGrid(problem.queue, problem.weight, spec).pack();
  result.linear.symmetric = spec.symmetric;
  return result;
}

}  // namespace apiq::quant
