// The block of Llama and the families close to it: a norm before attention and before the MLP, each added to
// what went in.
#pragma once
#include "family/block_spec.hpp"
#include "family/model_config.hpp"

namespace apiq {

/// Source: transformers, modeling_llama.py, LlamaDecoderLayer.
BlockSpec pre_norm_block(const ModelConfig& config);

}  // namespace apiq
