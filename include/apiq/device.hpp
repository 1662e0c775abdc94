// OpenCL devices as the programs see them: what is there, how to choose one, and an opened device to compute
// on.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace apiq {

namespace runtime {
class Device;
}

/// What a device says of itself, and the limits apiq keeps on it. Sizes in bytes.
struct DeviceInfo {
  int platform_index = 0;
  int device_index = 0;
  std::string name, vendor, driver, platform, platform_version, device_version, opencl_c_version, extensions;
  bool is_cpu = false;
  bool shares_host_memory = false;  // integrated GPUs and CPUs
  unsigned compute_units = 0;
  unsigned native_float_width = 0;  // floats in a vector register, as the driver says; 8: AVX2, 16: AVX-512
  std::uint64_t reported_global_bytes =
      0;  // CPU devices report too little or too much: never used for planning there
  std::uint64_t reported_max_buffer_bytes = 0;
  std::uint64_t local_bytes = 0;
  std::uint64_t max_work_group_size = 0;
  std::uint64_t default_budget_bytes = 0;  // what --device-memory defaults to
  std::uint64_t max_buffer_bytes = 0;      // largest single buffer apiq asks for
  bool has_fp16_arithmetic = false;
  bool has_sub_groups = false;
  unsigned compute_capability = 0;        // NVIDIA: 90 is 9.0; 0 where the device does not say
  unsigned wavefront_width = 0;           // AMD: 32 or 64; 0 where the device does not say
  std::vector<unsigned> sub_group_sizes;  // Intel, ascending; empty where the device does not say
};

/// The type that inputs of large products may be rounded to so that a matrix unit can take them; sums are f32
/// always.
enum class Compute {
  automatic,  // with a matrix unit f16 in evaluation and generation, bf16 in calibration and training; else
              // f32
  f32,        // nothing is rounded
  bf16,
  f16,  // except gradients, which f16 cannot hold: they are rounded to bf16
};

struct DeviceOptions {
  std::string selector = "auto";   // auto | gpu | cpu | P:D | part of a device's, vendor's or platform's name
  std::uint64_t memory_bytes = 0;  // hard budget; 0 = DeviceInfo::default_budget_bytes
  Compute compute = Compute::automatic;
  bool profile = false;  // collect device time per kernel (costs a little)
};

/// Every device of every platform, in platform order. Empty if there is no OpenCL platform.
/// The first call of this or of Device::open in a process may set environment variables that PoCL reads
/// (docs/devices.md): a program with threads makes it before it starts them.
std::vector<DeviceInfo> list_devices();

/// $APIQ_DEVICE, or "auto" where that is not set: what the programs do without --device.
std::string default_device_selector();

/// An opened device with its queue, memory budget and compiled kernels. Shared by everything that computes on
/// it, models included, and alive as long as any of them; used by one thread at a time. Environment variables
/// (docs/cli.md) are read when it is opened.
class Device {
 public:
  /// Throws Unsupported if nothing matches (the text lists what is there), InvalidArgument for a selector or
  /// an environment variable that means nothing, DeviceError if the driver fails.
  static Device open(const DeviceOptions& options);
  ~Device();
  Device(Device&&) noexcept;
  Device& operator=(Device&&) noexcept;

  const DeviceInfo& info() const;
  /// Devices that the selector could have meant, this one included.
  unsigned matching() const;
  Compute compute() const;  // as asked for
  std::uint64_t budget_bytes() const;
  std::uint64_t peak_bytes() const;
  /// One line per kernel, largest device time first; empty unless opened with profile.
  std::string profile_report() const;

  runtime::Device& impl() const { return *impl_; }
  /// For what computes on the device and may outlive this handle.
  const std::shared_ptr<runtime::Device>& shared() const { return impl_; }

 private:
  explicit Device(std::shared_ptr<runtime::Device> impl);
  std::shared_ptr<runtime::Device> impl_;
};

}  // namespace apiq
