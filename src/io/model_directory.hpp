// A Hugging Face model directory: config.json, model.safetensors (or shards with an index), tokenizer files.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "family/model_config.hpp"
#include "tensor/tensor_source.hpp"

namespace apiq {

class SafetensorsFile;

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

  /// sha256 of every file the model was read from, name -> hex, and a check that every weight is finite
  /// (tensor_source.hpp): all bytes are read, once. between: called every few MB; what it throws passes
  /// through.
  std::map<std::string, std::string> check_and_hash(const std::function<void()>& between) const;

 private:
  std::filesystem::path folder_;
  ModelConfig config_;
  std::unique_ptr<TensorSource> tensors_;
  std::vector<const SafetensorsFile*> tensor_files_;  // of tensors_
  std::filesystem::path index_;                       // of several files; empty where there is one
  std::map<std::string, std::string> side_files_;
};

}  // namespace apiq
