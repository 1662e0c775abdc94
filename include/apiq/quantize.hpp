// Quantize a Hugging Face model directory into an apiq checkpoint.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apiq/block_report.hpp"
#include "apiq/device.hpp"
#include "apiq/fields.hpp"
#include "apiq/legal_bits.hpp"
#include "apiq/method_options.hpp"
#include "apiq/module_override.hpp"
#include "apiq/progress.hpp"

namespace apiq {

/// Text that activations are computed on. Methods that train need it; with the others it is there to measure
/// the error of each block's output.
struct CalibrationOptions {
  std::vector<std::filesystem::path> calibration;  // text, .jsonl or .u16/.u32 token ids
  std::string text_field = "text";                 // of .jsonl lines
  Open<std::uint32_t> samples;                     // the recipe's
  Open<std::uint32_t> sequence_length;             // the smaller of 2048 and what the model takes

  template <class Visit>
  static void fields(Visit&& visit);
};

/// Zero or empty means "the default named beside the field"; quantize() resolves them and records the
/// effective values.
struct QuantizeOptions : CalibrationOptions {
  std::filesystem::path model;    // Hugging Face directory
  std::filesystem::path output;   // checkpoint to write, .h5
  MethodOptions method;           // apiq-bw
  std::uint32_t bits = 2;         // of kLegalBits
  std::uint32_t group_size = 64;  // divides in_features; 0 = whole rows
  bool symmetric = false;
  std::uint64_t seed = 0;

  std::vector<std::string> modules;  // linears to quantize ("q_proj", "mlp.down_proj"); empty = all seven.
                                     // The others stay as they are
  std::vector<ModuleOverride> overrides;  // later ones win

  std::filesystem::path work_dir;  // state of an unfinished run; empty = the output's name with ".work"
  bool restart = false;            // ignore saved state
  /// The run is planned so that the process's resident size stays below; it does not start where that cannot
  /// be. 0 = no budget.
  std::uint64_t host_memory_bytes = 0;
  std::filesystem::path trace;  // timeline as a Chrome trace; empty = none

  std::string command;  // recorded in the checkpoint; not an option

  /// Without those of CalibrationOptions and of the method, which have listings of their own.
  template <class Visit>
  static void fields(Visit&& visit);
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

template <class Visit>
void CalibrationOptions::fields(Visit&& visit) {
  using C = CalibrationOptions;
  constexpr const char* kGroup = "Input and output";
  constexpr auto kKept = Recorded::in_identity;
  visit(&C::calibration,
        Field{.name = "calibration",
              .placeholder = "FILE",
              .help = "text, .jsonl, or raw token ids .u16 / .u32; for methods that calibrate",
              .group = kGroup,
              .recorded = Recorded::in_result});
  visit(&C::text_field, Field{.name = "text-field",
                              .placeholder = "KEY",
                              .help = "field of a .jsonl line that holds the text",
                              .group = kGroup,
                              .recorded = kKept});
  visit(&C::samples, Field{.name = "samples",
                           .placeholder = "N",
                           .help = "calibration sequences",
                           .group = kGroup,
                           .default_words = "the recipe's",
                           .recorded = kKept,
                           .range = {.least = 1}});
  visit(&C::sequence_length, Field{.name = "sequence-length",
                                   .placeholder = "N",
                                   .help = "tokens per sequence",
                                   .group = kGroup,
                                   .default_words = "2048, or what the model takes if less",
                                   .recorded = kKept,
                                   .range = {.least = 2}});
}

template <class Visit>
void QuantizeOptions::fields(Visit&& visit) {
  using Q = QuantizeOptions;
  constexpr const char *kFiles = "Input and output", *kMethod = "Method", *kRun = "The run";
  constexpr const char* kLinears = "Settings of single linears";
  constexpr auto kKept = Recorded::in_identity;
  visit(&Q::model, Field{.name = "model",
                         .placeholder = "DIR",
                         .help = "Hugging Face directory: config.json, safetensors, tokenizer.model",
                         .group = kFiles,
                         .recorded = Recorded::in_result,
                         .required = true});
  visit(&Q::output, Field{.name = "output",
                          .placeholder = "FILE.h5",
                          .help = "checkpoint to write; appears only when complete",
                          .group = kFiles,
                          .required = true,
                          .writes = true});
  visit(&Q::bits, Field{.name = "bits",
                        .placeholder = "N",
                        .help = "bits per code: 2, 3, 4 or 8",
                        .group = kMethod,
                        .recorded = kKept,
                        .range = {.among = kLegalBits}});
  visit(&Q::group_size, Field{.name = "group-size",
                              .placeholder = "N|row",
                              .help = "input features that share a scale; 'row' = the whole row",
                              .group = kMethod,
                              .recorded = kKept,
                              .zero_word = "row"});
  visit(&Q::symmetric, Field{.name = "symmetric",
                             .help = "a grid without a zero point of its own",
                             .group = kMethod,
                             .recorded = kKept});
  visit(&Q::seed, Field{.name = "seed",
                        .placeholder = "N",
                        .help = "same seed, same device, same bytes",
                        .group = "Result and log",
                        .recorded = kKept});
  visit(&Q::modules,
        Field{.name = "modules",
              .placeholder = "LIST",
              .help = "linears to quantize, as names or patterns with commas between: q_proj,v_proj or mlp.*",
              .group = kLinears,
              .default_words = "all",
              .recorded = kKept});
  visit(&Q::overrides,
        Field{.name = "override",
              .placeholder = "PATTERN=KEY:N,...",
              .help = "other bits, group-size or rank for some linears; the last that matches wins",
              .group = kLinears,
              .recorded = kKept,
              .key = "overrides"});
  visit(&Q::work_dir, Field{.name = "work-dir",
                            .placeholder = "DIR",
                            .help = "state of an unfinished run; the same command goes on from it",
                            .group = kRun,
                            .default_words = "FILE.h5.work"});
  visit(&Q::restart, Field{.name = "restart", .help = "ignore that state and start over", .group = kRun});
  visit(&Q::host_memory_bytes, Field{.name = "host-memory",
                                     .placeholder = "SIZE",
                                     .help = "budget of the process's resident size",
                                     .group = "Device and memory",
                                     .default_words = "none",
                                     .unit = Unit::bytes});
  visit(&Q::trace, Field{.name = "trace",
                         .placeholder = "FILE",
                         .help = "timeline of computation, transfers and files as a Chrome trace",
                         .group = kRun,
                         .writes = true});
}

}  // namespace apiq
