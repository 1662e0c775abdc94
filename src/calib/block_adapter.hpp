// A model's decoder block as block-wise methods see it: a function of its linears.
#pragma once
#include <array>
#include <vector>

#include "model/decoder_block.hpp"
#include "quant/block_problem.hpp"

namespace apiq::calib {

class BlockAdapter : public quant::BlockFunction {
 public:
  BlockAdapter(runtime::Queue& queue, const BlockSpec& spec, const model::RopeTables& rope,
               std::uint64_t tokens)
      : block_(queue, spec, rope, tokens) {
    for (const Stage& stage : spec.stages) stages_.push_back({stage.first, stage.end});
  }

  void set_vectors(std::span<const runtime::DeviceTensor> norms,
                   std::span<const runtime::DeviceTensor> biases) {
    block_.set_vectors(norms, biases);
  }

  void forward(const runtime::TensorView& x, const Forward& linear, const runtime::TensorView& y) override {
    block_.forward(x, linear, y);
  }
  runtime::TensorView stage_input(const runtime::TensorView& x, std::uint32_t stage,
                                  const Forward& linear) override {
    return block_.stage_input(x, stage, linear);
  }
  void backward(const runtime::TensorView& dy, const Backward& linear) override {
    block_.backward(dy, linear);
  }
  const std::vector<std::array<std::uint32_t, 2>>& stages() const override { return stages_; }

 private:
  model::DecoderBlock block_;
  std::vector<std::array<std::uint32_t, 2>> stages_;
};

}  // namespace apiq::calib
