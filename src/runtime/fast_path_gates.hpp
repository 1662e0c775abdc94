// First step of the choice of fast paths: may this device have that hardware at all? Looks at what the device
// says of itself, costs nothing. Passing a gate means only that a probe may be built; strings of drivers lie
// both ways.
#pragma once
#include <string>

#include "apiq/device.hpp"

namespace apiq::runtime {

/// Each returns an empty text if the path may be tried, else the reason why not in one line.
/// NVIDIA's own driver and compute capability 8.0 or more: mma.sync with bf16.
std::string nv_mma_gate(const DeviceInfo& device);
/// AMD's own compiler with waves of 64 lanes: whether it knows the instructions is for the probe to say.
std::string amd_mfma_gate(const DeviceInfo& device);
/// The same with waves of 32 lanes (RDNA).
std::string amd_wmma_gate(const DeviceInfo& device);
/// Intel's extension on a GPU whose least sub-group has 8 lanes (DG2): the lanes of one matrix instruction.
std::string intel_dpas8_gate(const DeviceInfo& device);
/// The same with 16 lanes (PVC, Battlemage).
std::string intel_dpas16_gate(const DeviceInfo& device);
/// Not a CPU, where CLBlast has been measured at a twentieth of our speed and takes seconds to compile.
std::string clblast_gate(const DeviceInfo& device);
/// Any device: for paths in plain OpenCL C.
std::string no_gate(const DeviceInfo& device);

}  // namespace apiq::runtime
