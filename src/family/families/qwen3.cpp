// Qwen3 (dense): Llama's block with a norm of every head of q and k, and heads of a width of their own.
// Source: transformers, configuration_qwen3.py.
#include "family/family.hpp"
#include "family/pre_norm_block.hpp"

namespace apiq {

extern const Family kQwen3;
const Family kQwen3 = {.architecture = "Qwen3ForCausalLM",
                       .model_type = "qwen3",
                       .block = [](const ModelConfig& c) { return pre_norm_block(c, {.qk_norm = true}); },
                       .kv_heads = 32,
                       .head_dim = 128,
                       .window = 4096,
                       .use_window = false,
                       .max_window_layers = 28};

}  // namespace apiq
