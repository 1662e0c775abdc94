// An opened device: context, budget, program cache, kernels and its queue. Owns everything that lives as long
// as the device is used.
#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "apiq/device.hpp"
#include "runtime/fast_path_state.hpp"
#include "runtime/kernel_registry.hpp"
#include "runtime/memory_budget.hpp"
#include "runtime/tuning.hpp"

struct _cl_command_queue;
struct _cl_context;
struct _cl_device_id;
struct _cl_kernel;

namespace apiq::runtime {

class Queue;

class Device {
 public:
  static std::unique_ptr<Device> open(const DeviceOptions& options);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }
  MemoryBudget& budget() { return budget_; }
  /// Of pinned host memory; without a limit until one is set.
  MemoryBudget& host_budget() { return host_budget_; }
  const Tuning& tuning() const { return tuning_; }
  /// For the tuner (Tuning::set); everything else only reads.
  Tuning& tuning() { return tuning_; }
  /// What the environment said when this device was opened.
  const Environment& environment() const { return environment_; }
  /// For tests and benchmarks that change APIQ_GEMM or the like on an open device. What was decided already
  /// (tuning, fast paths, programs) stays.
  void reread_environment() { environment_ = Environment::read(); }
  /// Devices that the selector could have meant, this one included.
  unsigned matching() const { return matching_; }
  Compute compute() const { return compute_; }
  /// What --compute lets products of this work round their inputs to.
  Rounding rounding(Work work) const { return rounding_of(compute_, work); }
  FastPathState& fast_paths() { return fast_paths_; }
  Queue& queue() { return *queue_; }

  /// The kernel function of a registered program built with these macros; built (or loaded from the disk
  /// cache) at first use. Throws BuildError with file, line and log.
  _cl_kernel* kernel(std::string_view program, std::string_view entry, const Macros& macros);

  /// Builds free-standing source text, uncached: for probes and for tests of build failures.
  void probe_build(const std::string& source, const std::string& options);

  _cl_context* cl_context() const;
  _cl_device_id* cl_device() const;
  /// A queue that only maps and unmaps pinned memory, so that doing so never waits for computation.
  _cl_command_queue* map_queue();

 private:
  _cl_kernel* built_kernel(std::string_view program, std::string_view entry, const Macros& macros);
  struct State;
  Device(std::unique_ptr<State> state, DeviceInfo info, unsigned matching, Environment environment,
         const DeviceOptions& options);
  std::unique_ptr<State> state_;
  DeviceInfo info_;
  unsigned matching_;
  Environment environment_;
  MemoryBudget budget_;
  MemoryBudget host_budget_{std::numeric_limits<std::uint64_t>::max(), MemoryKind::host};
  Tuning tuning_;
  Compute compute_;
  FastPathState fast_paths_;
  std::unique_ptr<Queue> queue_;
};

}  // namespace apiq::runtime
