// Mistral 7B: Llama's block; its sliding window has to be as long as the context. Source: transformers,
// configuration_mistral.py (a window of 4096 and 8 key/value heads unless config.json says otherwise).
#include "family/family.hpp"
#include "family/pre_norm_block.hpp"

namespace apiq {

extern const Family kMistral;
const Family kMistral = {.architecture = "MistralForCausalLM",
                         .model_type = "mistral",
                         .block = [](const ModelConfig& c) { return pre_norm_block(c); },
                         .kv_heads = 8,
                         .window = 4096};

}  // namespace apiq
