// The apiq-cl checkpoint (.h5): everything needed to evaluate, generate, fine-tune and export a quantized
// model, in one HDF5 file. docs/checkpoint-format.md is the specification. Every dataset has Fletcher32; the
// file appears under its name only when complete.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/quantized_linear.hpp"
#include "family/model_config.hpp"
#include "tensor/tensor_source.hpp"

namespace apiq {

/// Texts stored beside the tensors. JSON texts are canonical (sorted keys), so that equal runs give equal
/// bytes.
struct CheckpointMeta {
  std::string method;           // "apiq-lw"
  std::string options_json;     // every option that changes the result, with its effective value
  std::string provenance_json;  // program, version, commit, device, driver, seed, input hashes
  std::map<std::string, std::string> side_files;  // config.json, tokenizer.model, ...
};

/// Writes a checkpoint under a temporary name; nothing appears under `path` before finish().
class CheckpointWriter {
 public:
  /// Throws IoError at once if the folder is not writable.
  CheckpointWriter(const std::filesystem::path& path, const CheckpointMeta& meta);
  ~CheckpointWriter();  // removes the temporary file unless finished
  CheckpointWriter(CheckpointWriter&&) noexcept;

  /// name: "model.layers.0.self_attn.q_proj" (no ".weight").
  void add_linear(const std::string& name, const QuantizedLinear& linear);
  /// An unquantized tensor as it was in the model (f32, f16 or bf16), under its Hugging Face name.
  void add_tensor(const TensorInfo& info, std::span<const std::byte> bytes);
  /// The same tensor of a source, copied a few MiB at a time. Throws as TensorSource::read, too.
  void add_tensor(const TensorInfo& info, const TensorSource& source);
  /// Per-block results (losses, errors) as JSON; stored, not needed to run the model.
  void add_report(const std::string& json_text);
  /// Flush, close, rename. Throws IoError (disk full, say) and leaves nothing behind.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct LinearEntry {
  std::string name;
  PackedLayout layout;
  bool symmetric = false;
  std::uint32_t rank = 0;
  float alpha = 0;
  std::uint64_t bytes = 0;          // codes, scales, zero points
  std::uint64_t adapter_bytes = 0;  // LoRA
};

/// Read-only. Every dataset's type, rank and size is checked against the layout before it is read; checksum
/// failures are FormatErrors that name file and dataset.
class CheckpointReader {
 public:
  /// Checks everything but the tensors' bytes. Throws IoError (absent), FormatError (damaged, or not what
  /// config.json implies) or Unsupported (another format_version).
  static CheckpointReader open(const std::filesystem::path& path);
  ~CheckpointReader();
  CheckpointReader(CheckpointReader&&) noexcept;

  const std::filesystem::path& path() const;
  const ModelConfig& config() const;
  const CheckpointMeta& meta() const;
  std::string report_json() const;  // "" if none
  const std::vector<LinearEntry>& linears()
      const;  // the quantized ones, in block order, then in the order of the block's linears
  const std::vector<TensorInfo>& tensors()
      const;  // unquantized, weights of the other linears among them, in name order
  QuantizedLinear read_linear(const std::string& name) const;
  std::vector<std::byte> read_tensor(const std::string& name) const;
  /// Reads every dataset, so that every checksum is checked, and looks at values: scales and LoRA finite,
  /// padding zero. Throws FormatError.
  void verify() const;

 private:
  struct State;
  explicit CheckpointReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// True if the file starts with the HDF5 signature.
bool is_checkpoint_file(const std::filesystem::path& path);

}  // namespace apiq
