// config.json of a model: what the model code needs of it, checked. Facts: Hugging Face's config keys
// (transformers, configuration_*.py).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "family/block_spec.hpp"

namespace apiq {

struct ModelConfig {
  std::string architecture;  // "LlamaForCausalLM"
  std::uint32_t hidden_size = 0;
  std::uint32_t intermediate_size = 0;
  std::uint32_t num_hidden_layers = 0;
  std::uint32_t num_attention_heads = 0;
  std::uint32_t num_key_value_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t vocab_size = 0;
  std::uint32_t max_position_embeddings = 0;
  float rms_norm_eps = 0;
  float rope_theta = 10000.0f;
  bool tie_word_embeddings = false;
  std::int32_t bos_token_id = -1;           // -1: none
  std::vector<std::int32_t> eos_token_ids;  // generation_config.json wins over config.json
  BlockSpec block;                          // every layer's

  std::uint32_t q_features() const { return num_attention_heads * head_dim; }
  std::uint32_t kv_features() const { return num_key_value_heads * head_dim; }
};

/// Parses and checks config.json text. `where` names the file in errors.
/// Throws FormatError (missing, mistyped or absurd key) or Unsupported (architecture, activation, RoPE
/// scaling, biases, sliding window, an already quantized model): the text says what is supported.
ModelConfig parse_model_config(std::string_view json_text, const std::string& where);

/// eos ids of generation_config.json text into config; other keys are ignored.
void apply_generation_config(ModelConfig& config, std::string_view json_text, const std::string& where);

}  // namespace apiq
