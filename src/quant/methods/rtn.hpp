// Round to nearest on each group's min-max grid: the baseline, and what ApiQ starts from (without its initial
// clipping).
#pragma once
#include "quant/method.hpp"

namespace apiq::quant {

class Rtn : public Method {
 public:
  MethodTraits traits() const override { return {}; }
  LinearResult quantize_linear(const LinearProblem& problem) override;
};

}  // namespace apiq::quant
