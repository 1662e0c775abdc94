// Qwen2 and Qwen2.5: Llama's block with biases on q, k and v. Source: transformers, configuration_qwen2.py.
#include "family/family.hpp"
#include "family/pre_norm_block.hpp"

namespace apiq {

extern const Family kQwen2;
const Family kQwen2 = {.architecture = "Qwen2ForCausalLM",
                       .model_type = "qwen2",
                       .block = [](const ModelConfig& c) { return pre_norm_block(c, {.qkv_bias = true}); },
                       .kv_heads = 32,
                       .window = 4096,
                       .use_window = false,
                       .max_window_layers = 28};

}  // namespace apiq
