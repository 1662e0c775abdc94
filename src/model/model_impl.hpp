// A whole model on the device: embedding, blocks, final norm, output head. Behind apiq::Model.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apiq/model.hpp"
#include "io/checkpoint.hpp"
#include "io/model_directory.hpp"
#include "model/block.hpp"
#include "tokenizer/tokenizer.hpp"

namespace apiq {

/// Keys and values of all layers, for generation.
class KvCache {
 public:
  KvCache(runtime::Queue& queue, const ModelConfig& config, std::uint32_t capacity, DType dtype);
  model::KvView layer(std::uint32_t index) const;
  std::uint32_t capacity() const { return capacity_; }

 private:
  std::uint32_t capacity_, layers_per_tensor_;
  std::vector<runtime::DeviceTensor> k_,
      v_;  // all layers in one each where a buffer may be that large, else one each per layer
};

class ModelImpl {
 public:
  static std::unique_ptr<ModelImpl> load(Device& device, const std::filesystem::path& path, bool use_lora);

  const ModelConfig& config() const { return config_; }
  const ModelSummary& summary() const { return summary_; }
  runtime::Queue& queue() const { return queue_; }
  DType activation_dtype() const { return activations_; }
  /// Loaded at first use, from the model's own files.
  const Tokenizer& tokenizer() const;

  /// hidden [num_tokens, hidden_size] = the last block's output for ids at first_position ...; cache =
  /// nullptr: no cache, position 0.
  void forward(const std::vector<std::int32_t>& ids, const KvCache* cache, std::uint32_t first_position,
               const runtime::TensorView& hidden) const;
  /// logits f32 [rows, vocab_size] of some rows of hidden (normalized here).
  void logits(const runtime::TensorView& hidden, const runtime::TensorView& out) const;

  const std::vector<model::Block>& blocks() const { return blocks_; }
  const runtime::TensorView& embedding() const { return embedding_; }
  const runtime::TensorView& head() const { return head_.empty() ? embedding_ : head_; }
  const runtime::TensorView& norm() const { return norm_; }
  /// Cosines and sines of at least so many positions. Others may ask for more meanwhile: hold on to them.
  std::shared_ptr<const model::RopeTables> rope(std::uint32_t positions) const;

 private:
  explicit ModelImpl(std::shared_ptr<runtime::Device> device)
      : device_(std::move(device)), queue_(device_->queue()) {}
  void load_directory(const ModelDirectory& directory);
  void load_checkpoint(const CheckpointReader& reader, bool use_lora);
  struct StoredTensor {
    TensorInfo info;
    std::vector<std::byte> owned;  // bytes point here or into a mapped file
    std::span<const std::byte> bytes;
  };
  void load_parts(const std::function<StoredTensor(const std::string&)>& fetch,
                  const std::function<model::Linear(const std::string&)>& linear);
  void finish_loading();
  /// weights: how many weights of the linears have so many bits.
  void set_bits(const std::map<std::uint32_t, std::uint64_t>& weights);

  std::shared_ptr<runtime::Device> device_;  // first, so that it goes last: every tensor below needs it
  runtime::Queue& queue_;
  ModelConfig config_;
  ModelSummary summary_;
  std::map<std::string, std::string> side_files_;
  DType activations_ = DType::f32;
  runtime::DeviceTensor embedding_;  // [vocab, hidden]
  runtime::DeviceTensor head_;       // empty when tied
  runtime::DeviceTensor norm_;
  std::vector<model::Block> blocks_;
  mutable std::shared_ptr<const model::RopeTables> rope_;  // as many positions as were needed so far
  mutable std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace apiq
