#include "family/model_config.hpp"

#include <algorithm>

#include "family/config_keys.hpp"
#include "family/family.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

using nlohmann::json;

/// Larger values than any model has, small enough that products of two of them cannot overflow 32 bits where
/// headers multiply them.
constexpr std::uint32_t kMaxHeads = 1u << 12, kMaxHeadDim = 1u << 12, kMaxFeatures = 1u << 20,
                        kMaxLayers = 1u << 12, kMaxVocabulary = 1u << 24, kMaxContext = 1u << 28;

/// "LlamaForCausalLM, MistralForCausalLM"
std::string supported_architectures() {
  std::vector<std::string> names;
  for (const Family* family : families()) names.emplace_back(family->architecture);
  return join(names, ", ");
}

/// Others than the known ones are refused: computing them with another family's block would give wrong
/// numbers, not errors.
const Family& read_family(const ConfigKeys& keys) {
  std::string name, model_type = keys.text("model_type", "");
  if (const json* list = keys.get("architectures")) {
    if (!list->is_array() || list->empty() || !list->front().is_string())
      keys.fail("architectures", "an array with the name of the model class");
    name = list->front().get<std::string>();
  }
  if (name.empty() && model_type.empty())
    keys.fail("architectures", "an array with the name of the model class");
  for (const Family* family : families())
    if (name.empty() ? model_type == family->model_type : name == family->architecture) return *family;
  keys.unsupported("architecture " + excerpt(name.empty() ? model_type : name) +
                   " is not supported; supported: " + supported_architectures());
}

/// Refuses what the block formulas do not have.
void check_features(const ConfigKeys& keys) {
  const std::string act = keys.text("hidden_act", "silu");
  if (act != "silu" && act != "swish")
    keys.unsupported("hidden_act '" + excerpt(act) + "' is not supported; supported: silu");
  for (const char* key : {"attention_bias", "mlp_bias"})
    if (keys.flag(key, false))
      keys.unsupported(std::string(key) +
                       " true is not supported; supported: the biases that the family always has");
  if (const json* quantization = keys.get("quantization_config")) {
    const auto method = quantization->is_object() ? quantization->find("quant_method") : quantization->end();
    const std::string name = method != quantization->end() && method->is_string()
                                 ? " (" + excerpt(method->get<std::string>()) + ")"
                                 : "";
    keys.unsupported(
        "quantization_config is present" + name +
        ": the model is already quantized; give the original model with F32, F16 or BF16 weights");
  }
}

/// RoPE settings come under two keys: rope_scaling (older), rope_parameters (transformers 5). Only the
/// unscaled kind is computed here.
void check_rope_object(const ConfigKeys& keys, const std::string& where, const char* key) {
  const json* value = keys.get(key);
  if (value == nullptr) return;
  if (!value->is_object()) keys.fail(key, "an object or null");
  const ConfigKeys inner(*value, where + ": " + key);
  const std::string type = inner.text("rope_type", inner.text("type", "default").c_str());
  if (type != "default")
    keys.unsupported(std::string(key) + " of type '" + excerpt(type) +
                     "' is not supported; supported: null or type 'default' (models such as Llama 1 and 2)");
  for (const auto& [name, member] : value->items())
    if (member.is_object())
      keys.unsupported(std::string(key) + " with separate settings for '" + excerpt(name) +
                       "' is not supported; supported: one setting for all layers");
  if (inner.optional_number("partial_rotary_factor", 0, 1).value_or(1.0f) != 1.0f)
    keys.unsupported(std::string(key) + ": partial_rotary_factor other than 1 is not supported");
}

float read_rope(const ConfigKeys& keys, const std::string& where) {
  check_rope_object(keys, where, "rope_scaling");
  check_rope_object(keys, where, "rope_parameters");
  if (keys.optional_number("partial_rotary_factor", 0, 1).value_or(1.0f) != 1.0f)
    keys.unsupported("partial_rotary_factor other than 1 is not supported");
  constexpr double kLow = 1.0, kHigh = 1e12;
  // As transformers 5 reads both spellings: a rope_scaling stands for all of rope_parameters, and the
  // object's own base goes before that of the top level, which older files have.
  const char* object = keys.get("rope_scaling") != nullptr ? "rope_scaling" : "rope_parameters";
  if (const json* parameters = keys.get(object))
    if (const auto theta =
            ConfigKeys(*parameters, where + ": " + object).optional_number("rope_theta", kLow, kHigh))
      return *theta;
  return keys.optional_number("rope_theta", kLow, kHigh).value_or(10000.0f);
}

/// A window at least as long as the context never masks anything; a shorter one changes attention.
void check_window(const ConfigKeys& keys, const Family& family, const ModelConfig& config) {
  if (const json* types = keys.get("layer_types")) {
    const auto full = [](const json& type) { return type == "full_attention"; };
    if (!types->is_array() || !std::all_of(types->begin(), types->end(), full))
      keys.unsupported("layer_types other than full_attention are not supported");
  }
  if (!keys.flag("use_sliding_window", family.use_window)) return;
  if (family.max_window_layers != 0 &&
      keys.optional_count("max_window_layers", kMaxLayers).value_or(family.max_window_layers) >=
          config.num_hidden_layers)
    return;
  const std::uint32_t context = config.max_position_embeddings;
  const std::uint32_t otherwise = keys.has("sliding_window") ? 0 : family.window;  // null: none
  const std::uint32_t window = keys.optional_count("sliding_window", kMaxContext).value_or(otherwise);
  if (window != 0 && window < context)
    keys.unsupported("sliding_window " + std::to_string(window) +
                     " is shorter than max_position_embeddings " + std::to_string(context) +
                     ", which is not supported; supported: full attention (sliding_window null)");
}

std::vector<std::int32_t> read_token_ids(const ConfigKeys& keys, const char* key, std::uint32_t vocab_size) {
  std::vector<std::int32_t> ids;
  const json* value = keys.get(key);
  if (value == nullptr) return ids;
  const json list = value->is_array() ? *value : json::array({*value});
  for (const json& id : list) {
    const bool whole = id.is_number_integer() && id.get<std::int64_t>() >= -1;
    if (!whole || (id.get<std::int64_t>() >= static_cast<std::int64_t>(vocab_size)))
      keys.fail(key, "token ids below vocab_size " + std::to_string(vocab_size));
    if (id.get<std::int64_t>() >= 0)
      ids.push_back(id.get<std::int32_t>());  // -1 is how some files write "none"
  }
  return ids;
}

void read_heads(ModelConfig& config, const ConfigKeys& keys, const Family& family) {
  config.num_attention_heads = keys.count("num_attention_heads", kMaxHeads);
  const bool absent = !keys.has("num_key_value_heads") && family.kv_heads != 0;
  config.num_key_value_heads = keys.optional_count("num_key_value_heads", kMaxHeads)
                                   .value_or(absent ? family.kv_heads : config.num_attention_heads);
  if (config.num_attention_heads % config.num_key_value_heads != 0)
    keys.fail("num_key_value_heads",
              "a divisor of num_attention_heads " + std::to_string(config.num_attention_heads));
  config.head_dim = keys.optional_count("head_dim", kMaxHeadDim).value_or(family.head_dim);
  if (config.head_dim == 0) {
    if (config.hidden_size % config.num_attention_heads != 0)
      keys.fail("num_attention_heads",
                "a divisor of hidden_size " + std::to_string(config.hidden_size) + " (there is no head_dim)");
    config.head_dim = config.hidden_size / config.num_attention_heads;
    if (config.head_dim > kMaxHeadDim)
      keys.fail("num_attention_heads", "heads of at most " + std::to_string(kMaxHeadDim) + " features");
  }
  if (config.head_dim % 2 != 0)
    keys.fail("head_dim",
              "an even number of features per head, because RoPE rotates pairs (hidden_size / "
              "num_attention_heads is " +
                  std::to_string(config.head_dim) + ")");
}

}  // namespace

ModelConfig parse_model_config(std::string_view json_text, const std::string& where) {
  const json root = parse_json(json_text, where);
  const ConfigKeys keys(root, where);
  const Family& family = read_family(keys);
  check_features(keys);

  ModelConfig config;
  config.architecture = family.architecture;
  config.hidden_size = keys.count("hidden_size", kMaxFeatures);
  config.intermediate_size = keys.count("intermediate_size", kMaxFeatures);
  config.num_hidden_layers = keys.count("num_hidden_layers", kMaxLayers);
  read_heads(config, keys, family);
  config.vocab_size = keys.count("vocab_size", kMaxVocabulary);
  config.max_position_embeddings = keys.count("max_position_embeddings", kMaxContext);
  check_window(keys, family, config);
  const auto eps = keys.optional_number("rms_norm_eps", 1e-12, 0.1);
  if (!eps) keys.fail("rms_norm_eps", "a number such as 1e-05");
  config.rms_norm_eps = *eps;
  config.rope_theta = read_rope(keys, where);
  config.tie_word_embeddings = keys.flag("tie_word_embeddings", false);
  const auto bos = read_token_ids(keys, "bos_token_id", config.vocab_size);
  if (bos.size() > 1) keys.fail("bos_token_id", "one token id");
  if (!bos.empty()) config.bos_token_id = bos.front();
  config.eos_token_ids = read_token_ids(keys, "eos_token_id", config.vocab_size);
  config.block = family.block(config);
  return config;
}

void apply_generation_config(ModelConfig& config, std::string_view json_text, const std::string& where) {
  const json root = parse_json(json_text, where);
  const auto ids = read_token_ids(ConfigKeys(root, where), "eos_token_id", config.vocab_size);
  if (!ids.empty()) config.eos_token_ids = ids;
}

}  // namespace apiq
