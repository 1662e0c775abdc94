#include "family/tensor_names.hpp"

#include <algorithm>

namespace apiq {

std::string part_name(std::uint32_t block, std::string_view part) {
  return "model.layers." + std::to_string(block) + "." + std::string(part);
}

std::string weight_tensor(std::uint32_t block, std::string_view part) {
  return part_name(block, part) + ".weight";
}

std::string bias_tensor(std::uint32_t block, std::string_view linear) {
  return part_name(block, linear) + ".bias";
}

std::vector<std::string> linear_names(const ModelConfig& config) {
  std::vector<std::string> names;
  for (std::uint32_t block = 0; block < config.num_hidden_layers; ++block)
    for (const LinearSpec& linear : config.block.linears) names.push_back(part_name(block, linear.name));
  return names;
}

std::vector<TensorInfo> block_tensors(const BlockSpec& spec, std::uint32_t block) {
  std::vector<TensorInfo> out;
  for (const NormSpec& norm : spec.norms)
    out.push_back({weight_tensor(block, norm.name), DType::f32, {norm.width}});
  for (const LinearSpec& linear : spec.linears) {
    out.push_back({weight_tensor(block, linear.name), DType::f32, {linear.out_features, linear.in_features}});
    if (linear.bias) out.push_back({bias_tensor(block, linear.name), DType::f32, {linear.out_features}});
  }
  return out;
}

std::vector<TensorInfo> expected_tensors(const ModelConfig& config) {
  const Shape table{config.vocab_size, config.hidden_size};
  std::vector<TensorInfo> out = {{std::string(kEmbeddingTensor), DType::f32, table}};
  for (std::uint32_t block = 0; block < config.num_hidden_layers; ++block)
    for (TensorInfo& info : block_tensors(config.block, block)) out.push_back(std::move(info));
  out.push_back({std::string(kFinalNormTensor), DType::f32, {config.hidden_size}});
  if (!config.tie_word_embeddings) out.push_back({std::string(kHeadTensor), DType::f32, table});
  return out;
}

bool is_linear_weight(const ModelConfig& config, std::string_view tensor_name) {
  return std::any_of(config.block.linears.begin(), config.block.linears.end(), [&](const LinearSpec& linear) {
    return tensor_name.ends_with("." + std::string(linear.name) + ".weight");
  });
}

}  // namespace apiq
