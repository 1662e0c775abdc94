// Qwen2 and Qwen2.5: what config.json means, and what the block has beside Llama's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "family/model_config.hpp"
#include "support/errors.hpp"

namespace apiq {
namespace {

using nlohmann::json;

/// Qwen2.5-0.5B's sizes.
json config() {
  return json::parse(
      R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","hidden_act":"silu","hidden_size":896,
          "intermediate_size":4864,"num_hidden_layers":24,"num_attention_heads":14,"num_key_value_heads":2,
          "max_position_embeddings":32768,"max_window_layers":21,"sliding_window":32768,"rms_norm_eps":1e-06,
          "rope_theta":1000000.0,"tie_word_embeddings":true,"use_mrope":false,"use_sliding_window":false,
          "vocab_size":151936})");
}
ModelConfig parse(const json& text) { return parse_model_config(text.dump(), "config.json"); }

TEST(Qwen2, HasBiasesOnQKAndVOnly) {
  const ModelConfig c = parse(config());
  EXPECT_EQ(c.head_dim, 64u);
  EXPECT_TRUE(c.tie_word_embeddings);
  for (const LinearSpec& linear : c.block.linears)
    EXPECT_EQ(linear.bias, linear.name == "self_attn.q_proj" || linear.name == "self_attn.k_proj" ||
                               linear.name == "self_attn.v_proj")
        << linear.name;
  EXPECT_EQ(c.block.norms.size(), 2u);
}

TEST(Qwen2, HasAWindowOnlyIfItSaysSo) {
  json text = config();
  text["sliding_window"] = 4096;
  EXPECT_NO_THROW(parse(text)) << "use_sliding_window is false";
  text.erase("use_sliding_window");
  EXPECT_NO_THROW(parse(text)) << "and so it is where it is absent";
  text["use_sliding_window"] = true;
  EXPECT_THAT(test::error_text<Unsupported>([&] { parse(text); }), testing::HasSubstr("sliding_window 4096"));
  text["max_window_layers"] = 24;
  EXPECT_NO_THROW(parse(text)) << "no layer is left to have one";
}

TEST(Qwen2, WithoutTheKeyHasThirtyTwoKeyValueHeads) {
  json text = config();
  text.erase("num_key_value_heads");
  text["num_attention_heads"] = 64;
  EXPECT_EQ(parse(text).num_key_value_heads, 32u);
}

}  // namespace
}  // namespace apiq
