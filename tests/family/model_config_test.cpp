#include "family/model_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/errors.hpp"

namespace apiq {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Llama-2-7B's config.json, which is what most models look like.
json llama2() {
  return json::parse(
      R"({"architectures":["LlamaForCausalLM"],"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu","hidden_size":4096,
    "initializer_range":0.02,"intermediate_size":11008,"max_position_embeddings":4096,"model_type":"llama","num_attention_heads":32,
    "num_hidden_layers":32,"num_key_value_heads":32,"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,"tie_word_embeddings":false,
    "torch_dtype":"float16","transformers_version":"4.31.0.dev0","use_cache":true,"vocab_size":32000})");
}

ModelConfig parse(const json& config) { return parse_model_config(config.dump(), "config.json"); }

/// llama2() with members replaced; null in `changes` removes nothing, it stores null.
json with(const json& changes) {
  json config = llama2();
  config.update(changes);
  return config;
}
json without(const char* key) {
  json config = llama2();
  config.erase(key);
  return config;
}

TEST(ModelConfig, Llama2) {
  const ModelConfig config = parse(llama2());
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.hidden_size, 4096u);
  EXPECT_EQ(config.intermediate_size, 11008u);
  EXPECT_EQ(config.num_hidden_layers, 32u);
  EXPECT_EQ(config.num_attention_heads, 32u);
  EXPECT_EQ(config.num_key_value_heads, 32u);
  EXPECT_EQ(config.head_dim, 128u);
  EXPECT_EQ(config.vocab_size, 32000u);
  EXPECT_EQ(config.max_position_embeddings, 4096u);
  EXPECT_FLOAT_EQ(config.rms_norm_eps, 1e-5f);
  EXPECT_EQ(config.rope_theta, 10000.0f);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_EQ(config.bos_token_id, 1);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2));
}

TEST(ModelConfig, DefaultsOfAbsentAndNullKeys) {
  for (const json& config : {without("num_key_value_heads"), with({{"num_key_value_heads", nullptr}})})
    EXPECT_EQ(parse(config).num_key_value_heads, 32u);
  EXPECT_EQ(parse(with({{"head_dim", nullptr}})).head_dim, 128u);
  EXPECT_EQ(parse(without("bos_token_id")).bos_token_id, -1);
  EXPECT_EQ(parse(with({{"bos_token_id", nullptr}})).bos_token_id, -1);
  EXPECT_EQ(parse(with({{"bos_token_id", -1}})).bos_token_id, -1);
  EXPECT_TRUE(parse(without("eos_token_id")).eos_token_ids.empty());
  EXPECT_FALSE(parse(without("tie_word_embeddings")).tie_word_embeddings);
  EXPECT_EQ(parse(without("hidden_act")).hidden_size, 4096u);
  EXPECT_EQ(parse(without("architectures")).architecture, "LlamaForCausalLM") << "from model_type";
}

TEST(ModelConfig, Variants) {
  const ModelConfig wide = parse(with({{"head_dim", 64},
                                       {"num_key_value_heads", 8},
                                       {"eos_token_id", {2, 5}},
                                       {"rms_norm_eps", 1e-6},
                                       {"rope_theta", 500000}}));
  EXPECT_EQ(wide.q_features(), 2048u) << "heads times head_dim need not be hidden_size";
  EXPECT_EQ(wide.kv_features(), 512u);
  EXPECT_THAT(wide.eos_token_ids, ElementsAre(2, 5));
  EXPECT_EQ(wide.rope_theta, 500000.0f);
  EXPECT_FLOAT_EQ(wide.rms_norm_eps, 1e-6f);
}

TEST(ModelConfig, BothSpellingsOfRope) {
  for (const json& scaling :
       {json(), json{{"rope_type", "default"}}, json{{"type", "default"}}, json::object()})
    EXPECT_EQ(parse(with({{"rope_scaling", scaling}})).rope_theta, 10000.0f) << scaling;
  EXPECT_EQ(parse(with({{"rope_parameters", {{"rope_theta", 1e6}, {"rope_type", "default"}}}})).rope_theta,
            1e6f);
  EXPECT_EQ(parse(with({{"rope_theta", 2e6}, {"rope_parameters", {{"rope_theta", 1e6}}}})).rope_theta, 1e6f)
      << "the object's own goes before the top level's";
  EXPECT_EQ(parse(with({{"rope_theta", 2e6}, {"rope_parameters", {{"rope_type", "default"}}}})).rope_theta,
            2e6f);
  const json both = {{"rope_scaling", {{"rope_type", "default"}}},
                     {"rope_parameters", {{"rope_theta", 1e6}}}};
  EXPECT_EQ(parse(with(both)).rope_theta, 10000.0f) << "rope_scaling stands for all of the other object";
}

TEST(ModelConfig, MistralHasEightKeyValueHeadsUnlessItSaysOtherwise) {
  json config = without("num_key_value_heads");
  config.update({{"architectures", {"MistralForCausalLM"}}, {"sliding_window", nullptr}});
  EXPECT_EQ(parse(config).num_key_value_heads, 8u);
  config["num_key_value_heads"] = nullptr;
  EXPECT_EQ(parse(config).num_key_value_heads, 32u) << "null: as many as there are heads";
}

TEST(ModelConfig, Mistral) {
  const json mistral = {{"architectures", {"MistralForCausalLM"}},
                        {"model_type", "mistral"},
                        {"max_position_embeddings", 32768}};
  json config = with(mistral);
  config["sliding_window"] = nullptr;
  EXPECT_EQ(parse(config).architecture, "MistralForCausalLM");
  config["sliding_window"] = 32768;
  EXPECT_EQ(parse(config).max_position_embeddings, 32768u) << "a window of the whole context masks nothing";
  config["sliding_window"] = 4096;
  EXPECT_THAT(test::error_text<Unsupported>([&] { parse(config); }), HasSubstr("sliding_window 4096"));
  config.erase("sliding_window");
  EXPECT_THAT(test::error_text<Unsupported>([&] { parse(config); }), HasSubstr("sliding_window 4096"))
      << "Mistral's default";
}

struct Case {
  const char* key;  // named in the message
  json changes;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.changes.dump(); }

class AbsurdConfig : public testing::TestWithParam<Case> {};

TEST_P(AbsurdConfig, IsAFormatErrorThatNamesTheKey) {
  const std::string text = test::error_text<FormatError>([] { parse(with(GetParam().changes)); });
  EXPECT_THAT(text, AllOf(HasSubstr("config.json: key '" + std::string(GetParam().key) + "'"),
                          HasSubstr("expected"), HasSubstr("found")));
}

std::vector<Case> absurd_values() {
  std::vector<Case> cases;
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "vocab_size", "max_position_embeddings", "head_dim"})
    for (const json& value : {json(0), json(-4), json(4096.5), json("4096"), json(1e30),
                              json(4294967296u * std::uint64_t{4}), json::array({8}), json(true)})
      cases.push_back({key, {{key, value}}});
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "vocab_size", "max_position_embeddings", "rms_norm_eps"})
    cases.push_back({key, {{key, nullptr}}});
  for (const json& value : {json(0), json(-1e-5), json(1), json("1e-5")})
    cases.push_back({"rms_norm_eps", {{"rms_norm_eps", value}}});
  for (const json& value : {json(0), json(-10000), json(1e30), json("10000")})
    cases.push_back({"rope_theta", {{"rope_theta", value}}});
  for (const char* key : {"tie_word_embeddings", "attention_bias", "mlp_bias"})
    for (const json& value : {json(1), json("true")}) cases.push_back({key, {{key, value}}});
  for (const char* key : {"bos_token_id", "eos_token_id"})
    for (const json& value : {json(32000), json(-2), json(1.5), json("1"), json::array({1, 99999})})
      cases.push_back({key, {{key, value}}});
  cases.push_back({"bos_token_id", {{"bos_token_id", {1, 2}}}});
  cases.push_back({"num_key_value_heads", {{"num_key_value_heads", 5}}});
  cases.push_back({"num_attention_heads", {{"num_attention_heads", 33}, {"num_key_value_heads", 33}}});
  cases.push_back({"head_dim", {{"head_dim", 127}}});
  cases.push_back({"head_dim", {{"hidden_size", 32 * 3}}});
  for (const json& value : {json("LlamaForCausalLM"), json::array(), json::array({1})})
    cases.push_back({"architectures", {{"architectures", value}}});
  cases.push_back({"rope_scaling", {{"rope_scaling", "linear"}}});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Values, AbsurdConfig, testing::ValuesIn(absurd_values()));

struct Refused {
  const char* reason;
  json changes;
};
std::ostream& operator<<(std::ostream& out, const Refused& c) { return out << c.changes.dump(); }

class RefusedConfig : public testing::TestWithParam<Refused> {};

TEST_P(RefusedConfig, SaysWhatIsNotSupported) {
  const std::string text = test::error_text<Unsupported>([] { parse(with(GetParam().changes)); });
  EXPECT_THAT(text, AllOf(HasSubstr("config.json"), HasSubstr(GetParam().reason)));
}

INSTANTIATE_TEST_SUITE_P(
    Features, RefusedConfig,
    testing::Values(
        Refused{"GPT2LMHeadModel is not supported; supported: LlamaForCausalLM",
                {{"architectures", {"GPT2LMHeadModel"}}}},
        Refused{"Qwen3MoeForCausalLM", {{"architectures", {"Qwen3MoeForCausalLM"}}}},
        Refused{"gemma2", {{"architectures", nullptr}, {"model_type", "gemma2"}}},
        Refused{"supported: silu", {{"hidden_act", "gelu"}}},
        Refused{"attention_bias", {{"attention_bias", true}}}, Refused{"mlp_bias", {{"mlp_bias", true}}},
        Refused{"already quantized", {{"quantization_config", {{"quant_method", "gptq"}, {"bits", 4}}}}},
        Refused{"(gptq)", {{"quantization_config", {{"quant_method", "gptq"}}}}},
        Refused{"already quantized", {{"quantization_config", json::object()}}},
        Refused{"'linear'", {{"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}}},
        Refused{"'llama3'", {{"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}}}}},
        Refused{"'yarn'", {{"rope_parameters", {{"rope_type", "yarn"}, {"rope_theta", 1e6}}}}},
        Refused{"partial_rotary_factor", {{"partial_rotary_factor", 0.5}}},
        Refused{"separate settings", {{"rope_parameters", {{"full_attention", {{"rope_theta", 1e6}}}}}}},
        Refused{"sliding_window 1024", {{"sliding_window", 1024}}},
        Refused{"layer_types", {{"layer_types", {"full_attention", "sliding_attention"}}}}));

TEST(ModelConfig, NotAnObjectOrNotJson) {
  for (const char* text : {"[]", "3", "", "{", "{\"hidden_size\":1,\"hidden_size\":2}"})
    EXPECT_THROW(parse_model_config(text, "config.json"), FormatError) << text;
}

TEST(GenerationConfig, EosWins) {
  ModelConfig config = parse(llama2());
  apply_generation_config(config, R"({"bos_token_id":1,"temperature":0.6})", "generation_config.json");
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2)) << "not mentioned: unchanged";
  apply_generation_config(config, R"({"eos_token_id":[7,9]})", "generation_config.json");
  EXPECT_THAT(config.eos_token_ids, ElementsAre(7, 9));
  apply_generation_config(config, R"({"eos_token_id":3})", "generation_config.json");
  EXPECT_THAT(config.eos_token_ids, ElementsAre(3));
  EXPECT_THAT(test::error_text<FormatError>([&] {
                apply_generation_config(config, R"({"eos_token_id":32000})", "generation_config.json");
              }),
              HasSubstr("generation_config.json: key 'eos_token_id'"));
  EXPECT_THROW(apply_generation_config(config, "[", "generation_config.json"), FormatError);
}

}  // namespace
}  // namespace apiq
