#include "model/decoder_block.hpp"

namespace apiq::model {

DecoderBlock::DecoderBlock(Queue& queue, const BlockSpec& spec, const RopeTables& rope, std::uint64_t tokens,
                           bool input_gradient)
    : context_{.queue = queue, .spec = spec, .rope = rope, .norms = {}, .biases = {}, .tokens = tokens},
      input_gradient_(input_gradient) {}

void DecoderBlock::forward(const TensorView& x, const LinearForward& linear, const TensorView& y) {
  const std::uint64_t rows = x.shape[0];
  // Batches are of one size, single samples of another: few plans are made, not one for each call.
  if (rows != planned_rows_) plan_ = BlockPlan::training(context_.spec, rows, input_gradient_);
  planned_rows_ = rows;
  run_ = std::make_unique<BlockRun>(context_, plan_, rows);
  run_->give(plan_.activation(0), x);
  run_->give(plan_.activation(context_.spec.output()), y);
  run_->forward(linear);
}

TensorView DecoderBlock::backward(const TensorView& dy, const LinearBackward& linear) {
  run_->give(plan_.gradient(context_.spec.output()), dy);
  run_->backward(linear);
  return input_gradient_ ? run_->view(plan_.gradient(0)) : TensorView{};
}

TensorView DecoderBlock::stage_input(const TensorView& x, std::uint32_t stage,
                                     const LinearForward& linear) const {
  const StageCut cut = stage_cuts(context_.spec)[stage];
  const std::uint64_t rows = x.shape[0];
  const BlockPlan plan = BlockPlan::forward(context_.spec, {0, cut.step}, {0}, rows, DType::f32);
  BlockRun run(context_, plan, rows);
  run.give(plan.activation(0), x);
  run.forward(linear);
  return run.view(plan.activation(cut.input));
}

}  // namespace apiq::model
