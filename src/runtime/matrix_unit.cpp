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
    case MatrixUnit::intel_dpas: return "intel_dpas";
    case MatrixUnit::emulated: return "emulated";
  }
  return "none";
}

std::string_view name_of(InputType input) { return input == InputType::f16 ? "f16" : "bf16"; }

std::string unit_program(std::string_view family, MatrixUnit unit) {
  const std::string name = std::string(family) + "_" + std::string(name_of(unit));
  for (const KernelSpec& spec : kernel_specs())
    if (spec.name == name) return name;
  throw Unsupported("[matrix unit] there is no " + std::string(family) + " for the unit '" + std::string(name_of(unit)) +
                    "'; use the portable product or one of the units in cl/lib/unit_*.h");
}

}  // namespace apiq::runtime
