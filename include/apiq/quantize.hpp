// Quantize a Hugging Face model directory into an apiq checkpoint.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apiq/device.hpp"
#include "apiq/progress.hpp"

namespace apiq {

/// Settings of some linears that differ from the rest: --override PATTERN=bits:4,group-size:128.
struct ModuleOverride {
  std::string pattern;                                  // shell pattern over names like "model.layers.0.mlp.down_proj", or over their end
  std::optional<std::uint32_t> bits, group_size, rank;  // group_size 0: whole rows
};

/// "PATTERN=bits:4,group-size:128,rank:32", any of the settings, group-size a number or "row". Throws InvalidArgument for unknown keys, a
/// missing '=', numbers that are none, and bits other than 2, 3, 4, 8.
ModuleOverride parse_override(const std::string& text);
/// Inverse of parse_override.
std::string override_text(const ModuleOverride& setting);

/// Zero or empty means "the default named beside the field"; quantize() resolves them and records the effective values.
struct QuantizeOptions {
  std::filesystem::path model;     // Hugging Face directory
  std::filesystem::path output;    // checkpoint to write, .h5
  std::string method = "apiq-lw";  // a name of list_methods()
  std::uint32_t bits = 2;          // 2, 3 or 4
  std::uint32_t group_size = 64;   // divides in_features; 0 = whole rows
  bool symmetric = false;
  std::uint32_t rank = 64;                         // 0 = no LoRA; at most the smaller side of every matrix
  float alpha = 16.0f;                             // scaling = alpha / rank
  std::vector<std::filesystem::path> calibration;  // text, .jsonl or .u16/.u32 token ids; needed by methods that calibrate
  std::string text_field = "text";                 // of .jsonl lines
  std::uint32_t samples = 128;
  std::uint32_t sequence_length = 0;  // the smaller of 2048 and what the model takes
  std::uint32_t epochs = 0;           // the method's
  std::uint32_t batch_size = 1;
  std::optional<float> lora_learning_rate, clip_learning_rate, lora_weight_decay, clip_weight_decay;  // the method's
  std::uint64_t seed = 0;

  std::vector<std::string> modules;       // linears to quantize ("q_proj", "mlp.down_proj"); empty = all seven. The others stay as they are
  std::vector<ModuleOverride> overrides;  // later ones win

  std::string command;  // recorded in the checkpoint
};

struct BlockReport {
  std::uint32_t index = 0;
  double loss_first = 0, loss_last = 0;  // mean over the block's linears of the first and last epoch's mean squared error; NaN without training
  double relative_error = 0;             // of the block's output on the calibration data, both streams compared; NaN without data
  double seconds = 0;
};

struct QuantizeResult {
  QuantizeOptions effective;
  double bits_per_weight = 0;          // codes, scales and zero points over quantized weights
  double adapter_bits_per_weight = 0;  // LoRA over the same weights
  std::uint64_t output_bytes = 0;
  std::uint64_t skipped_steps = 0;  // steps not taken because the loss was not finite
  std::vector<BlockReport> blocks;
  double seconds = 0;
};

/// Runs the method over all blocks and writes the checkpoint atomically.
/// Throws InvalidArgument (options that do not fit the model), FormatError / IoError (inputs, output), OutOfDeviceMemory, DeviceError,
/// Interrupted. On any of them no output file appears.
QuantizeResult quantize(Device& device, const QuantizeOptions& options, const Callbacks& callbacks = {});

struct MethodInfo {
  std::string name, summary;
  bool needs_calibration = false;
};
std::vector<MethodInfo> list_methods();

}  // namespace apiq
