// A Hugging Face model directory: config.json, model.safetensors (or shards with an index), tokenizer files.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/model_config.hpp"
#include "tensor/tensor_source.hpp"

namespace apiq {

class ModelDirectory {
 public:
  /// Opens and checks everything: config, every tensor of the family present with the right shape and dtype
  /// F32, F16 or BF16, no unknown tensors. Tensor bytes are memory-mapped, not read. Throws IoError,
  /// FormatError, Unsupported.
  static ModelDirectory open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }
  const TensorSource& tensors() const { return *tensors_; }

  /// Small files a checkpoint carries along (config.json, generation_config.json, tokenizer.model,
  /// tokenizer_config.json, ...): name -> bytes, those that exist.
  const std::map<std::string, std::string>& side_files() const { return side_files_; }

  /// sha256 of every file the model was read from, name -> hex. Reads all tensor bytes.
  std::map<std::string, std::string> hashes() const;

 private:
  std::filesystem::path folder_;
  ModelConfig config_;
  std::unique_ptr<TensorSource> tensors_;
  std::vector<std::filesystem::path> tensor_files_;
  std::map<std::string, std::string> side_files_;
};

/// Names and shapes that a model of this configuration must have, in the order of spec: embedding, blocks,
/// norm, head (absent when tied). The seven linears of block i are found with linear_tensor_name.
std::vector<TensorInfo> expected_tensors(const ModelConfig& config);

/// The seven linears of a block in the order ApiQ solves them: self_attn.q_proj, k_proj, v_proj, o_proj,
/// mlp.gate_proj, up_proj, down_proj.
inline constexpr const char* kBlockLinears[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                                "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                                "mlp.down_proj"};

/// "model.layers.3.mlp.up_proj.weight"
std::string linear_tensor_name(std::uint32_t block, std::string_view linear);
/// True for the weight of one of kBlockLinears.
bool is_linear_weight(std::string_view tensor_name);

}  // namespace apiq
