#include "runtime/fast_path_gates.hpp"

#include <string_view>

namespace apiq::runtime {

namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// "" on AMD's own OpenCL, whose compiler is clang with AMD's builtins. Mesa's drivers name AMD as well, but
/// read SPIR-V.
std::string amd_compiler(const DeviceInfo& device) {
  if (!has(device.vendor, "AMD") && !has(device.vendor, "Advanced Micro Devices")) return "not an AMD device";
  if (!has(device.platform, "AMD Accelerated Parallel Processing"))
    return "platform " + device.platform + " is not AMD's own compiler";
  return {};
}

std::string amd_wave(const DeviceInfo& device, unsigned width) {
  if (const std::string reason = amd_compiler(device); !reason.empty()) return reason;
  if (device.wavefront_width == width) return {};
  const std::string found =
      device.wavefront_width == 0 ? "an unknown number of" : std::to_string(device.wavefront_width);
  return "needs waves of " + std::to_string(width) + " lanes, the device has " + found + " lanes";
}

}  // namespace

std::string nv_mma_gate(const DeviceInfo& device) {
  if (!has(device.vendor, "NVIDIA")) return "not an NVIDIA device";
  if (!has(device.platform, "NVIDIA CUDA"))
    return "platform " + device.platform + " is not NVIDIA's own compiler";
  if (device.compute_capability >= 80) return {};
  if (device.compute_capability == 0) return "the driver does not tell the compute capability";
  return "compute capability " + std::to_string(device.compute_capability / 10) + "." +
         std::to_string(device.compute_capability % 10) + ", needs 8.0 or more";
}

std::string amd_mfma_gate(const DeviceInfo& device) { return amd_wave(device, 64); }

std::string amd_wmma_gate(const DeviceInfo& device) { return amd_wave(device, 32); }

namespace {

std::string intel_dpas(const DeviceInfo& device, unsigned width) {
  constexpr std::string_view kExtension = "cl_intel_subgroup_matrix_multiply_accumulate";
  if (!has(device.vendor, "Intel")) return "not an Intel device";
  if (device.is_cpu) return "a CPU, which has no matrix unit that OpenCL C reaches";
  if (!has(device.extensions, kExtension)) return "the device does not list " + std::string(kExtension);
  const unsigned least = device.sub_group_sizes.empty() ? 0 : device.sub_group_sizes.front();
  if (least == width) return {};
  return "needs a least sub-group size of " + std::to_string(width) + ", the device has " +
         (least == 0 ? "an unknown one" : std::to_string(least));
}

}  // namespace

std::string intel_dpas8_gate(const DeviceInfo& device) { return intel_dpas(device, 8); }

std::string intel_dpas16_gate(const DeviceInfo& device) { return intel_dpas(device, 16); }

std::string clblast_gate(const DeviceInfo& device) {
  return device.is_cpu ? "a CPU, where CLBlast has been measured far behind our own kernel" : std::string();
}

std::string no_gate(const DeviceInfo&) { return {}; }

}  // namespace apiq::runtime
