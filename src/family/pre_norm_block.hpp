// The block of Llama and the families close to it: a norm before attention and before the MLP, each added to
// what went in.
#pragma once
#include "family/block_spec.hpp"
#include "family/model_config.hpp"

namespace apiq {

/// What some of them have beside.
struct PreNormParts {
  bool qkv_bias = false;  // biases on q, k and v
  bool qk_norm = false;   // a norm of every head of q and k before they are rotated
};

/// Source: transformers, modeling_llama.py, LlamaDecoderLayer; modeling_qwen2.py and modeling_qwen3.py.
BlockSpec pre_norm_block(const ModelConfig& config, const PreNormParts& parts = {});

}  // namespace apiq
