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
};

std::vector<FoundDevice> find_devices();

/// Of those that match: GPUs and accelerators before CPUs, memory of its own before shared memory, then the
/// most compute units. Throws Unsupported if nothing matches.
FoundDevice choose_device(const std::vector<FoundDevice>& devices, const std::string& selector);

}  // namespace apiq::runtime
