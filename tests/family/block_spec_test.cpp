// What the description of a block says, and what follows from it on disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "family/pre_norm_block.hpp"
#include "family/tensor_names.hpp"

namespace apiq {
namespace {

ModelConfig small_config() {
  ModelConfig c;
  c.hidden_size = 24;
  c.intermediate_size = 40;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 8;
  c.vocab_size = 10;
  c.block = pre_norm_block(c);
  return c;
}

TEST(BlockSpec, EverySlotIsWrittenOnceBeforeItIsRead) {
  const BlockSpec spec = small_config().block;
  std::vector<bool> written(spec.slots.size());
  written[0] = true;
  for (const Step& step : spec.steps) {
    for (const SlotId from : step.from) EXPECT_TRUE(written[from]) << spec.slots[from].name;
    EXPECT_FALSE(written[step.to]) << spec.slots[step.to].name;
    written[step.to] = true;
  }
  EXPECT_EQ(spec.slots[spec.output()].width, 24u);
}

TEST(BlockSpec, StagesAreRunsOfLinearsWithOneInput) {
  const BlockSpec spec = small_config().block;
  std::vector<std::vector<std::string>> stages;
  for (const Stage& stage : spec.stages) {
    stages.emplace_back();
    for (std::uint32_t l = stage.first; l < stage.end; ++l) stages.back().emplace_back(spec.linears[l].name);
  }
  EXPECT_EQ(stages, (std::vector<std::vector<std::string>>{
                        {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
                        {"self_attn.o_proj"},
                        {"mlp.gate_proj", "mlp.up_proj"},
                        {"mlp.down_proj"}}));
}

TEST(TensorNames, AreHuggingFaces) {
  const ModelConfig config = small_config();
  const auto tensors = expected_tensors(config);
  EXPECT_EQ(tensors.size(), 3u + 2 * 9);
  const auto shape_of = [&](const std::string& name) {
    for (const TensorInfo& info : tensors)
      if (info.name == name) return info.shape.text();
    return std::string("absent");
  };
  EXPECT_EQ(shape_of("model.embed_tokens.weight"), "[10, 24]");
  EXPECT_EQ(shape_of("model.layers.1.input_layernorm.weight"), "[24]");
  EXPECT_EQ(shape_of("model.layers.1.self_attn.q_proj.weight"), "[32, 24]");
  EXPECT_EQ(shape_of("model.layers.0.self_attn.v_proj.weight"), "[16, 24]");
  EXPECT_EQ(shape_of("model.layers.0.self_attn.o_proj.weight"), "[24, 32]");
  EXPECT_EQ(shape_of("model.layers.0.post_attention_layernorm.weight"), "[24]");
  EXPECT_EQ(shape_of("model.layers.0.mlp.down_proj.weight"), "[24, 40]");
  EXPECT_EQ(shape_of("model.norm.weight"), "[24]");
  EXPECT_EQ(shape_of("lm_head.weight"), "[10, 24]");
}

TEST(TensorNames, ATiedModelHasNoHead) {
  ModelConfig config = small_config();
  config.tie_word_embeddings = true;
  EXPECT_EQ(expected_tensors(config).back().name, kFinalNormTensor);
}

TEST(TensorNames, LinearsComeInTheOrderOfSolving) {
  const auto names = linear_names(small_config());
  ASSERT_EQ(names.size(), 14u);
  EXPECT_EQ(names[0], "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(names[7], "model.layers.1.self_attn.q_proj");
  EXPECT_EQ(names[13], "model.layers.1.mlp.down_proj");
}

TEST(TensorNames, OnlyMatricesOfBlocksAreLinears) {
  const ModelConfig config = small_config();
  EXPECT_TRUE(is_linear_weight(config, "model.layers.1.mlp.up_proj.weight"));
  EXPECT_FALSE(is_linear_weight(config, "model.layers.1.mlp.up_proj.bias"));
  EXPECT_FALSE(is_linear_weight(config, "model.layers.1.input_layernorm.weight"));
  EXPECT_FALSE(is_linear_weight(config, "lm_head.weight"));
}

}  // namespace
}  // namespace apiq
