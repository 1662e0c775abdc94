// An opened device: context, budget, program cache, kernels and its queue. Owns everything that lives as long as the device is used.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "apiq/device.hpp"
#include "runtime/kernel_registry.hpp"
#include "runtime/memory_budget.hpp"
#include "runtime/tuning.hpp"

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
  const Tuning& tuning() const { return tuning_; }
  Queue& queue() { return *queue_; }

  /// The kernel function of a registered program built with these macros; built (or loaded from the disk cache) at first use.
  /// Throws BuildError with file, line and log.
  _cl_kernel* kernel(std::string_view program, std::string_view entry, const Macros& macros);

  /// Builds free-standing source text, uncached: for probes and for tests of build failures.
  void probe_build(const std::string& source, const std::string& options);

  _cl_context* cl_context() const;
  _cl_device_id* cl_device() const;

 private:
  struct State;
  Device(std::unique_ptr<State> state, DeviceInfo info, const DeviceOptions& options);
  std::unique_ptr<State> state_;
  DeviceInfo info_;
  MemoryBudget budget_;
  Tuning tuning_;
  std::unique_ptr<Queue> queue_;
};

}  // namespace apiq::runtime
