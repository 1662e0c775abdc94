// Qwen3: what config.json means, and what the block has beside Llama's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "family/tensor_names.hpp"
#include "support/errors.hpp"

namespace apiq {
namespace {

using nlohmann::json;

/// Qwen3-0.6B's sizes, the width of heads left out.
ModelConfig parse(const json& changes = json::object()) {
  json text = json::parse(
      R"({"architectures":["Qwen3ForCausalLM"],"model_type":"qwen3","attention_bias":false,"hidden_act":"silu",
          "hidden_size":1024,"intermediate_size":3072,"num_hidden_layers":28,"num_attention_heads":16,
          "num_key_value_heads":8,"max_position_embeddings":40960,"max_window_layers":28,"sliding_window":null,
          "rms_norm_eps":1e-06,"rope_theta":1000000,"tie_word_embeddings":true,"use_sliding_window":false,
          "vocab_size":151936})");
  text.update(changes);
  return parse_model_config(text.dump(), "config.json");
}

TEST(Qwen3, HeadsAre128WideUnlessItSaysOtherwise) {
  EXPECT_EQ(parse().q_features(), 2048u);
  EXPECT_EQ(parse({{"head_dim", 64}}).q_features(), 1024u);
}

TEST(Qwen3, NormsEveryHeadOfQAndKBeforeItIsRotated) {
  const ModelConfig c = parse();
  std::vector<std::string> names;
  for (const TensorInfo& info : block_tensors(c.block, 3))
    if (info.shape == Shape{128}) names.push_back(info.name);
  EXPECT_THAT(names, testing::ElementsAre("model.layers.3.self_attn.q_norm.weight",
                                          "model.layers.3.self_attn.k_norm.weight"));
  for (const LinearSpec& linear : c.block.linears) EXPECT_FALSE(linear.bias) << linear.name;
  for (const Step& step : c.block.steps)
    if (step.kind == StepKind::rope) {
      const Step& before = c.block.steps[step.from[0] - 1];  // each slot is written by the step of its number
      EXPECT_EQ(before.kind, StepKind::norm);
    }
}

TEST(Qwen3, BiasesAreRefused) {
  EXPECT_THAT(test::error_text<Unsupported>([] {
                parse({{"attention_bias", true}});
              }),
              testing::HasSubstr("attention_bias"));
}

}  // namespace
}  // namespace apiq
