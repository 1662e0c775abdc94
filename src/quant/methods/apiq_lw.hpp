// ApiQ-lw (arXiv 2402.05147; our specification, section 2): for each linear, clipping logits and LoRA are
// trained together so that its output on the quantized stream's inputs matches the full-precision model's
// output:
//   min over a, l, A, B of  mean (X W^T - Xq (What(a, l) + c B A)^T)^2
#pragma once
#include "quant/method.hpp"

namespace apiq::quant {

class ApiqLw : public Method {
 public:
  explicit ApiqLw(const ApiqLwOptions& own) : own_(own) {}
  MethodTraits traits() const override;
  LinearResult quantize_linear(const LinearProblem& problem) override;

 private:
  ApiqLwOptions own_;
};

}  // namespace apiq::quant
