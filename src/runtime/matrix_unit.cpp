#include "runtime/matrix_unit.hpp"

#include "apiq/error.hpp"
#include "runtime/kernel_registry.hpp"

namespace apiq::runtime {

std::string_view name_of(MatrixUnit unit) {
  switch (unit) {
    case MatrixUnit::none: return "none";
    case MatrixUnit::nv_mma: return "nv_mma";
    case MatrixUnit::amd_mfma: return "amd_mfma";
    case MatrixUnit::amd_wmma: return "amd_wmma";
    case MatrixUnit::amd_wmma12: return "amd_wmma12";
    case MatrixUnit::intel_dpas8: return "intel_dpas8";
    case MatrixUnit::intel_dpas16: return "intel_dpas16";
    case MatrixUnit::emulated: return "emulated";
    case MatrixUnit::emulated_amd_mfma: return "emulated_amd_mfma";
    case MatrixUnit::emulated_amd_wmma: return "emulated_amd_wmma";
    case MatrixUnit::emulated_amd_wmma12: return "emulated_amd_wmma12";
    case MatrixUnit::emulated_intel_dpas8: return "emulated_intel_dpas8";
    case MatrixUnit::emulated_intel_dpas16: return "emulated_intel_dpas16";
  }
  return "none";
}

std::string_view name_of(InputType input) { return input == InputType::f16 ? "f16" : "bf16"; }

std::string unit_program(std::string_view family, MatrixUnit unit) {
  const std::string name = std::string(family) + "_" + std::string(name_of(unit));
  for (const KernelSpec& spec : kernel_specs())
    if (spec.name == name) return name;
  throw Unsupported("[matrix unit] there is no " + std::string(family) + " for the unit '" +
                    std::string(name_of(unit)) +
                    "'; use the portable product or one of the units in cl/lib/unit_*.h");
}

}  // namespace apiq::runtime
