// Finding devices: what the platforms offer and which one a selector means.
#pragma once
#include <string>
#include <vector>

#include "apiq/device.hpp"

struct _cl_device_id;

namespace apiq::runtime {

struct FoundDevice {
  DeviceInfo info;
  _cl_device_id* id = nullptr;
  unsigned matching = 1;  // devices that the selector could have meant, this one included
};

/// What the installed drivers offer to this machine.
struct DeviceSearch {
  std::vector<FoundDevice> devices;  // in platform order
  /// Platforms that are there but gave no device, with the driver's code: "Clover (CL_DEVICE_NOT_FOUND)".
  std::vector<std::string> silent;
  unsigned host_cores = 0;
};

/// Sets PoCL up first (pocl_settings.hpp).
DeviceSearch find_devices();

/// The device that a selector means (docs/devices.md): auto, gpu, cpu, P:D, or part of a name, vendor or
/// platform. Of those that match, the first in this order: other devices before a rasterizer that runs on the
/// CPU (llvmpipe), GPUs and accelerators before CPUs, memory of its own before shared memory, a platform that
/// the selector names, the most compute units (of a CPU device at most the host's cores, whatever it claims),
/// PoCL, which our tuning files are measured on, and the order of the platforms.
/// Throws Unsupported if nothing matches, InvalidArgument for a bare number.
FoundDevice choose_device(const DeviceSearch& search, const std::string& selector);

/// Fills in what follows from what a device reports: limits we keep, and whether it has fp16 and sub-groups.
/// max_sub_groups: CL_DEVICE_MAX_NUM_SUB_GROUPS, 0 where the device does not know the question.
void derive_limits(DeviceInfo& info, std::uint64_t host_memory_bytes, unsigned max_sub_groups);

}  // namespace apiq::runtime
