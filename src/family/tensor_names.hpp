// Names and shapes of a model's tensors on disk: Hugging Face's, in safetensors and in checkpoints.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "family/model_config.hpp"
#include "tensor/tensor_source.hpp"

namespace apiq {

inline constexpr std::string_view kEmbeddingTensor = "model.embed_tokens.weight",
                                  kFinalNormTensor = "model.norm.weight", kHeadTensor = "lm_head.weight";

/// "model.layers.3.mlp.up_proj" of "mlp.up_proj": a linear's name, and what its tensors' names begin with.
std::string part_name(std::uint32_t block, std::string_view part);
/// "model.layers.3.mlp.up_proj.weight" of a linear or norm.
std::string weight_tensor(std::uint32_t block, std::string_view part);

/// "model.layers.3.self_attn.q_proj.bias" of a linear that has one.
std::string bias_tensor(std::uint32_t block, std::string_view linear);

/// The linears of all blocks, "model.layers.0.self_attn.q_proj" first, in the order of solving.
std::vector<std::string> linear_names(const ModelConfig& config);

/// Names and shapes that a model of this configuration must have: embedding; each block's norms and linears;
/// norm; head (absent when tied).
std::vector<TensorInfo> expected_tensors(const ModelConfig& config);
/// Those of one block.
std::vector<TensorInfo> block_tensors(const BlockSpec& spec, std::uint32_t block);

/// True for the weight of a block's linear.
bool is_linear_weight(const ModelConfig& config, std::string_view tensor_name);

}  // namespace apiq
