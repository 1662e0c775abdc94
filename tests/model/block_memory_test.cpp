// Scratch memory of a block: what is alive at once, and not a byte more. That nothing is overwritten too
// early is what the gradients of decoder_block_test show.
#include "model/block_memory.hpp"

#include <gtest/gtest.h>

#include "apiq/error.hpp"
#include "family/pre_norm_block.hpp"

namespace apiq {
namespace {

using model::BlockPlan;

constexpr std::uint64_t kRows = 64, kHidden = 256, kWide = 688, kQ = 320, kKv = 128, kHeads = 10;

ModelConfig config() {
  ModelConfig c;
  c.hidden_size = kHidden;
  c.intermediate_size = kWide;
  c.num_attention_heads = kHeads;
  c.num_key_value_heads = 4;
  c.head_dim = 32;
  c.rms_norm_eps = 1e-5f;
  c.block = pre_norm_block(c);
  return c;
}

TEST(BlockMemory, TrainingHoldsWhatBackwardReads) {
  const BlockSpec spec = config().block;
  // Two norms' outputs, q, k, v, attention and its statistics, the first sum, gate, up, their product and its
  // gradient. All other gradients find a place that is free by then.
  const std::uint64_t features = 2 * kHidden + 2 * kQ + 2 * kKv + kHeads + kHidden + 4 * kWide;
  EXPECT_EQ(BlockPlan::training(spec, kRows, false).bytes(), 4 * kRows * features);
  EXPECT_EQ(BlockPlan::training(spec, kRows, true).bytes(), 4 * kRows * features);
}

TEST(BlockMemory, ForwardHoldsTheWidestStep) {
  const BlockSpec spec = config().block;
  const Step* attention = nullptr;
  for (const Step& step : spec.steps)
    if (step.kind == StepKind::attention) attention = &step;
  // The second norm's output, gate and up; k, v and the residual stream are the caller's.
  const BlockPlan plan =
      BlockPlan::in_place(spec, {attention->from[1], attention->from[2]}, kRows, DType::f16);
  EXPECT_EQ(plan.bytes(), 2 * kRows * (kHidden + 2 * kWide));
}

TEST(BlockMemory, StagesAreCutWhereOnlyTheResidualStreamIsLeft) {
  const BlockSpec spec = config().block;
  const auto cuts = model::stage_cuts(spec);
  ASSERT_EQ(cuts.size(), spec.stages.size());
  for (std::size_t stage = 0; stage < cuts.size(); ++stage) {
    EXPECT_EQ(spec.steps[cuts[stage].step].param, spec.stages[stage].first);
    EXPECT_EQ(spec.steps[cuts[stage].step].from[0], cuts[stage].input);
  }
  EXPECT_EQ(cuts[0].residual, 0u);
  EXPECT_EQ(cuts[1].residual, 0u);
  EXPECT_EQ(cuts[2].residual, cuts[3].residual);
  EXPECT_NE(cuts[2].residual, 0u);
}

/// x + (f(x) + x read again later) would need two streams beside the stage's input.
TEST(BlockMemory, ABlockWithTwoResidualStreamsIsRefused) {
  BlockSpec spec = config().block;
  spec.steps.back().from[1] = 0;  // the block's input once more at its end
  EXPECT_THROW(model::stage_cuts(spec), Unsupported);
}

}  // namespace
}  // namespace apiq
