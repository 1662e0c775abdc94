// What a run will need, computed from the model's configuration, the options and the budgets before anything
// is allocated; and the choices that make it fit: where activations live, whether the next block is loaded
// early, what is kept between forward and backward.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "apiq/phase.hpp"
#include "apiq/quantize.hpp"
#include "calib/activation_store.hpp"
#include "io/model_directory.hpp"
#include "model/block_run.hpp"
#include "quant/method.hpp"

namespace apiq::calib {

/// Pinned memory through which weights are uploaded.
inline constexpr std::uint64_t kUploadRingBytes = std::uint64_t{16} << 20;

/// What is decided to make a run fit. Any choice gives the same bytes.
struct PlanChoice {
  bool prefetch = true;  // weights of the next block are on the device while one is calibrated
  Placement residuals = Placement::device;  // both streams between blocks
  Placement inner = Placement::device;      // stage inputs and targets
  bool keep_effective_weights = true;       // the dequantized ones, between forward and backward
};

struct PlanRow {
  Phase phase = Phase::load;
  std::uint64_t device_bytes = 0;
};

struct MemoryPlan {
  PlanChoice choice;
  std::uint64_t device_bytes = 0;  // peak
  std::uint64_t host_bytes = 0;  // peak resident size of the process; includes device_bytes where the device
                                 // has no memory of its own
  std::uint64_t work_bytes = 0;  // peak size of the work directory
  std::uint64_t output_bytes = 0;   // of the checkpoint
  std::uint64_t scratch_bytes = 0;  // of the workspace, reserved at the start
  std::vector<PlanRow> rows;        // device memory by phase of a block
};

struct PlanInput {
  const ModelDirectory& model;
  const QuantizeOptions& options;  // resolved
  const TrainOptions& train;
  quant::MethodTraits traits;
  std::uint32_t num_samples = 0;                     // 0: no calibration text
  std::uint64_t device_budget = 0, host_budget = 0;  // host 0: no limit
  std::uint64_t process_bytes = 0;  // resident size before the run: libraries, driver, compiled kernels
  bool shares_host_memory = false;
  std::uint32_t compute_units = 1;
};

constexpr std::string_view name_of(Placement placement) {
  return placement == Placement::device ? "device" : placement == Placement::host ? "host" : "file";
}

/// The plan of one choice, whether it fits or not.
MemoryPlan plan_for(const PlanInput& input, const PlanChoice& choice);

/// The fastest choice that fits both budgets. Throws OutOfDeviceMemory or OutOfHostMemory naming the smallest
/// budgets that work.
MemoryPlan make_plan(const PlanInput& input);

}  // namespace apiq::calib
