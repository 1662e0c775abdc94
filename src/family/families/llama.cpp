// Llama 1 and 2, TinyLlama, SmolLM2. Source: transformers, configuration_llama.py.
#include "family/family.hpp"
#include "family/pre_norm_block.hpp"

namespace apiq {

extern const Family kLlama;
const Family kLlama = {.architecture = "LlamaForCausalLM",
                       .model_type = "llama",
                       .block = [](const ModelConfig& c) { return pre_norm_block(c); }};

}  // namespace apiq
