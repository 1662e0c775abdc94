// Rows of the programs on matrix units: each kernel once per unit, with that unit's headers, compilers and presets.
#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

namespace {

/// One way to execute a matrix instruction. A vendor adds a row here and the name in matrix_unit.hpp.
struct Unit {
  std::string_view gemm;                  // names of its programs
  std::vector<std::string_view> headers;  // define the interface described in cl/lib/unit_tile.h
  std::vector<std::string_view> targets;  // KernelSpec::targets
  std::vector<Tunable> tunables;
};

const std::vector<Unit>& units() {
  static const std::vector<Unit> all = {
      {.gemm = "gemm_unit_nv_mma",
       .headers = {"cl/lib/unit_nv_ptx.h", "cl/lib/unit_nv_mma.h"},
       .targets = {"nvptx64"},
       .tunables = {{"UNITS_M", 2, 2}, {"UNITS_N", 2, 2}, {"FM", 4, 4}, {"FN", 8, 8}, {"RASTER", 8, 8}}},
      // Small tiles, several units and fragments in both directions: what tests need to meet every index.
      {.gemm = "gemm_unit_emulated",
       .headers = {"cl/lib/unit_nv_layout.h", "cl/lib/unit_emulated.h", "cl/lib/unit_nv_emulated.h", "cl/lib/unit_nv_mma.h"},
       .targets = {},
       .tunables = {{"UNITS_M", 1, 1}, {"UNITS_N", 2, 2}, {"FM", 2, 2}, {"FN", 2, 2}, {"RASTER", 2, 2}}},
  };
  return all;
}

constexpr std::string_view kTypes = "cl/shared/types.h", kCommon = "cl/lib/common.h", kArgs = "cl/shared/unit_args.h", kTile = "cl/lib/unit_tile.h",
                           kStage = "cl/lib/unit_stage.h", kProduct = "cl/lib/unit_product.h";

std::vector<std::string_view> sources(const Unit& unit, std::initializer_list<std::string_view> last) {
  std::vector<std::string_view> all{kTypes, kCommon, kArgs, kTile};
  all.insert(all.end(), unit.headers.begin(), unit.headers.end());
  all.insert(all.end(), last);
  return all;
}

/// Every loader of either operand, not every pair of them: compilations are what the offline check costs.
std::vector<Macros> gemm_meanings() {
  const auto meaning = [](int a_by_k, int b_by_k, int a_half, int b_half, int bf16, int aligned) {
    return Macros{{"A_BY_K", a_by_k}, {"B_BY_K", b_by_k}, {"A_HALF", a_half}, {"B_HALF", b_half}, {"INPUT_BF16", bf16}, {"ALIGNED", aligned}};
  };
  return {meaning(1, 1, 0, 0, 1, 1), meaning(1, 0, 1, 0, 0, 1), meaning(0, 0, 0, 1, 1, 1), meaning(1, 1, 1, 1, 0, 0)};
}

}  // namespace

std::vector<KernelSpec> unit_kernels() {
  std::vector<KernelSpec> out;
  for (const Unit& unit : units())
    out.push_back({.name = unit.gemm,
                   .sources = sources(unit, {kStage, kProduct, "cl/matmul/gemm_unit.cl"}),
                   .entries = {"gemm_unit"},
                   .meanings = gemm_meanings(),
                   .tunables = unit.tunables,
                   .targets = unit.targets});
  return out;
}

}  // namespace apiq::runtime
