// ApiQ block by block (arXiv 2402.05147; specification, section 3): clipping logits and LoRA of all linears
// of a decoder block trained jointly against the block's full-precision output.
#pragma once
#include "quant/method.hpp"

namespace apiq::quant {

class ApiqBw : public Method {
 public:
  MethodTraits traits() const override;
  BlockResult quantize_block(const BlockProblem& problem) override;
};

}  // namespace apiq::quant
