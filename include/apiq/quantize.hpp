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

enum class RangeInit {
  minmax,
  mse
};  // where clipping starts: the whole range, or the shrink with the least squared error
enum class LoraInit {
  kaiming,
  svd,
  svd_saliency,
  cloq
};  // where LoRA starts: A random and B zero, or B A = what rounding lost, plain or weighted
enum class Schedule { constant, cosine };  // of all learning rates; cosine falls to 2 %

/// Settings of some linears that differ from the rest: --override PATTERN=bits:4,group-size:128.
struct ModuleOverride {
  std::string pattern;  // shell pattern over names like "model.layers.0.mlp.down_proj", or over their end
  std::optional<std::uint32_t> bits, group_size, rank;  // group_size 0: whole rows
};

/// "PATTERN=bits:4,group-size:128,rank:32", any of the settings, group-size a number or "row". Throws
/// InvalidArgument for unknown keys, a missing '=', numbers that are none, and bits other than 2, 3, 4, 8.
ModuleOverride parse_override(const std::string& text);
/// Inverse of parse_override.
std::string override_text(const ModuleOverride& setting);

/// Zero or empty means "the default named beside the field"; quantize() resolves them and records the
/// effective values.
struct QuantizeOptions {
  std::filesystem::path model;     // Hugging Face directory
  std::filesystem::path output;    // checkpoint to write, .h5
  std::string method = "apiq-bw";  // a name of list_methods()
  std::uint32_t bits = 2;          // 2, 3 or 4
  std::uint32_t group_size = 64;   // divides in_features; 0 = whole rows
  bool symmetric = false;
  std::uint32_t rank = 64;  // 0 = no LoRA; at most the smaller side of every matrix
  float alpha = 16.0f;      // scaling = alpha / rank
  std::vector<std::filesystem::path>
      calibration;                  // text, .jsonl or .u16/.u32 token ids; needed by methods that calibrate
  std::string text_field = "text";  // of .jsonl lines
  std::optional<std::uint32_t> samples;  // the recipe's
  std::uint32_t sequence_length = 0;     // the smaller of 2048 and what the model takes
  std::optional<std::uint32_t> epochs;   // the recipe's; 0 = only the start values
  std::uint32_t batch_size = 1;
  std::string recipe = "best";  // a name of list_recipes(): defaults of what is left open here
  std::optional<float> lora_learning_rate, clip_learning_rate, lora_weight_decay,
      clip_weight_decay;                      // the recipe's
  std::optional<RangeInit> range_init;        // the recipe's
  std::optional<LoraInit> lora_init;          // the recipe's
  std::optional<Schedule> schedule;           // the recipe's
  std::optional<float> weight_learning_rate;  // of latent weights; 0 = they are not trained; the recipe's
  bool aug_loss = false;  // apiq-bw: also against the block's own output on the quantized stream
  bool gram = false;      // apiq-lw: full-batch steps on second moments of the inputs
  float early_stop = 0;   // end a block when an epoch lowers its loss by less than this share; 0 = never
  std::uint64_t seed = 0;

  std::vector<std::string> modules;  // linears to quantize ("q_proj", "mlp.down_proj"); empty = all seven.
                                     // The others stay as they are
  std::vector<ModuleOverride> overrides;  // later ones win

  std::filesystem::path work_dir;       // state of an unfinished run; empty = the output's name with ".work"
  bool restart = false;                 // ignore saved state
  std::uint64_t host_memory_bytes = 0;  // hard limit of the process's resident size; 0 = none
  std::filesystem::path trace;          // timeline as a Chrome trace; empty = none

  std::string command;  // recorded in the checkpoint
};

struct LinearReport {
  std::string name;  // "model.layers.0.mlp.up_proj"
  double weight_error =
      0;  // |W - What - c B A|^2 / |W|^2 of what is stored; 0 for a linear that was left as it is
};

struct BlockReport {
  std::uint32_t index = 0;
  double loss_first = 0,
         loss_last = 0;        // mean squared error over the first and last epoch (of the linears' mean, for
                               // methods that solve them one by one); NaN without training
  std::vector<double> losses;  // of every epoch
  double relative_error =
      0;  // of the block's output on the calibration data, both streams compared; NaN without data
  std::uint64_t skipped_steps = 0;  // steps not taken: the loss or a gradient was not finite
  std::vector<LinearReport> linears;
  // How this run got there; not part of the result.
  bool resumed = false;  // taken from the work directory
  double seconds = 0;
  std::vector<std::pair<std::string, double>>
      phases;               // seconds by name, in the order of Phase (apiq/phase.hpp)
  double wait_seconds = 0;  // the device had to wait for disk or transfers at most this long
  std::uint64_t device_bytes = 0, host_bytes = 0;  // peaks so far
};

struct QuantizeResult {
  QuantizeOptions effective;
  double bits_per_weight = 0;          // codes, scales and zero points over quantized weights
  double adapter_bits_per_weight = 0;  // LoRA over the same weights
  std::uint64_t output_bytes = 0;
  std::uint64_t skipped_steps = 0;  // steps not taken: the loss or a gradient was not finite
  double wait_seconds = 0;          // the device had to wait for disk or transfers at most this long
  std::vector<BlockReport> blocks;
  double seconds = 0;
};

/// Runs the method over all blocks and writes the checkpoint atomically. Finished blocks are kept in the work
/// directory until then: the same call after an interruption, or a killed process, goes on where it stopped
/// and gives the same bytes. Throws InvalidArgument (options that do not fit the model; a work directory of
/// another run, with the difference), FormatError / IoError (inputs, output, disk too small),
/// OutOfDeviceMemory or OutOfHostMemory (budgets too small, before anything starts, with the smallest that
/// work), DeviceError, Interrupted (says what was kept). On any of them no output file appears.
QuantizeResult quantize(Device& device, const QuantizeOptions& options, const Callbacks& callbacks = {});

/// What a run will need, per stage of a block and in total; found without running it, but for a short probe
/// of the device.
struct DryRunStage {
  std::string name;
  double seconds = 0;              // over all blocks
  std::uint64_t device_bytes = 0;  // peak
};

struct DryRunResult {
  QuantizeOptions effective;
  std::vector<DryRunStage> stages;
  double seconds = 0;
  std::uint64_t device_bytes = 0;  // peak
  std::uint64_t host_bytes =
      0;  // peak resident size of the process; includes the device's where it has no memory of its own
  std::uint64_t work_bytes = 0;    // work directory, peak
  std::uint64_t output_bytes = 0;  // checkpoint
  std::uint64_t free_disk_bytes = 0;
  std::string activations;  // where they will be: "device", "host" or "file"
  bool prefetch = false;    // whether the next block's weights are loaded early
};

/// Throws as quantize() does for options and budgets that do not fit.
DryRunResult dry_run(Device& device, const QuantizeOptions& options, const Callbacks& callbacks = {});

struct RecipeInfo {
  std::string name, summary;
};
std::vector<RecipeInfo> list_recipes();

struct MethodInfo {
  std::string name, summary;
  bool needs_calibration = false;
};
std::vector<MethodInfo> list_methods();

}  // namespace apiq
