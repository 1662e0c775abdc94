// Matrix units ("tensor cores") by name. Which one a device has, and whether it may be trusted, is decided by
// whoever probes it; kernels and launchers take the unit as an argument.
#pragma once
#include <string>
#include <string_view>

namespace apiq::runtime {

/// One per vendor header in cl/lib. emulated: NVIDIA's layout executed in software, on any device; slow, for
/// tests. emulated_...: that vendor's fragments over the emulated instruction, one tile only (unit_probe).
enum class MatrixUnit {
  none,
  nv_mma,
  amd_mfma,
  amd_wmma,      // RDNA 3
  amd_wmma12,    // RDNA 4
  intel_dpas8,   // sub-groups of 8: DG2
  intel_dpas16,  // of 16: PVC, Battlemage
  emulated,
  emulated_amd_mfma,
  emulated_amd_wmma,
  emulated_amd_wmma12,
  emulated_intel_dpas8,
  emulated_intel_dpas16
};

/// What operands are rounded to on their way into the unit; sums are fp32. f16: relative error 2^-11, but
/// overflows at 65504 and loses digits below 6e-5. bf16: relative error 2^-8, the range of f32.
enum class InputType { f16, bf16 };

struct UnitMode {
  MatrixUnit unit = MatrixUnit::none;
  InputType input = InputType::bf16;
  int loads = 1;  // how fragments come out of local memory: 1 by ordinary loads, 2 by the unit's own
                  // instruction where it has one (nv_mma: ldmatrix)
  bool operator==(const UnitMode&) const = default;
};

/// "nv_mma"; "none" for none.
std::string_view name_of(MatrixUnit unit);
/// "f16" or "bf16".
std::string_view name_of(InputType input);

/// The registry's name of a kernel family compiled for a unit: unit_program("gemm_unit", nv_mma) is
/// "gemm_unit_nv_mma". Throws Unsupported if there is no such program (none; units whose header does not
/// exist).
std::string unit_program(std::string_view family, MatrixUnit unit);

}  // namespace apiq::runtime
