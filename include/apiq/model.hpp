// A model on a device, ready to run: a Hugging Face directory (its own precision) or a checkpoint (packed
// weights, never dequantized).
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apiq/device.hpp"

namespace apiq {

class ModelImpl;

struct ModelSummary {
  std::string path;
  bool quantized = false;
  std::string method;  // of a checkpoint
  std::uint32_t bits =
      16;  // of the linears, 16 or 32 where not quantized; of most of their weights where they differ
  std::vector<std::uint32_t> bits_used;  // all that occur, ascending
  std::uint32_t vocab_size = 0, max_position_embeddings = 0, num_hidden_layers = 0;
  std::uint64_t weight_bytes = 0;  // read once per generated token
};

class Model {
 public:
  /// The model keeps the device open: `device` may go out of scope before it.
  /// Throws IoError, FormatError, Unsupported, OutOfDeviceMemory.
  static Model load(Device& device, const std::filesystem::path& path, bool use_lora = true);
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  const ModelSummary& summary() const;
  ModelImpl& impl() const { return *impl_; }

 private:
  explicit Model(std::unique_ptr<ModelImpl> impl);
  std::unique_ptr<ModelImpl> impl_;
};

}  // namespace apiq
