// Rows of the programs on matrix units: each kernel once per unit, with that unit's headers, compilers and
// presets.
#include "runtime/kernel_tables.hpp"
#include "runtime/tuning.hpp"

namespace apiq::runtime {

namespace {

/// One way to execute a matrix instruction. A vendor adds a row here and the name in matrix_unit.hpp.
struct Unit {
  std::string_view gemm = {}, qgemm = {},
                   probe = {};                 // names of its programs; only a probe: its layout is tested
  std::vector<std::string_view> headers = {};  // define the interface described in cl/lib/unit_tile.h
  std::vector<std::string_view> targets = {};  // KernelSpec::targets
  std::vector<Tunable> tunables = {};
  bool every_meaning = false;  // is checked offline; else a few, ordinary loads only
};

const std::vector<Unit>& units() {
  static const std::vector<Unit> all = {
      {.gemm = "gemm_unit_nv_mma",
       .qgemm = "qgemm_unit_nv_mma",
       .probe = "unit_probe_nv_mma",
       .headers = {"cl/lib/unit_nv_ptx.h", "cl/lib/unit_nv_mma.h"},
       .targets = {"nvptx64"},
       .tunables = {{"UNITS_M", 2, 2}, {"UNITS_N", 2, 2}, {"FM", 4, 4}, {"FN", 8, 8}, {"RASTER", 8, 8}},
       .every_meaning = true},
      // For tests, which build what they run: one compiler is enough to check it offline. Small tiles with
      // several units and fragments in both directions over the two presets.
      {.gemm = "gemm_unit_emulated",
       .qgemm = "qgemm_unit_emulated",
       .probe = "unit_probe_emulated",
       .headers = {"cl/lib/unit_nv_layout.h", "cl/lib/unit_emulated.h", "cl/lib/unit_nv_emulated.h",
                   "cl/lib/unit_nv_mma.h"},
       .targets = {"spir64"},
       .tunables = {{"UNITS_M", 2, 1}, {"UNITS_N", 2, 2}, {"FM", 1, 2}, {"FN", 2, 4}, {"RASTER", 2, 2}},
       .every_meaning = true},
      {.gemm = "gemm_unit_amd_mfma",
       .qgemm = "qgemm_unit_amd_mfma",
       .probe = "unit_probe_amd_mfma",
       .headers = {"cl/lib/unit_amd_lanes.h", "cl/lib/unit_amd_mfma_builtin.h", "cl/lib/unit_amd_mfma.h"},
       .targets = {"amdgcn:gfx90a"},
       .tunables = {{"UNITS_M", 2, 2}, {"UNITS_N", 2, 2}, {"FM", 4, 4}, {"FN", 4, 4}, {"RASTER", 8, 8}}},
      {.gemm = "gemm_unit_amd_wmma",
       .qgemm = "qgemm_unit_amd_wmma",
       .probe = "unit_probe_amd_wmma",
       .headers = {"cl/lib/unit_amd_lanes.h", "cl/lib/unit_amd_gfx11.h", "cl/lib/unit_amd_wmma_builtin.h",
                   "cl/lib/unit_amd_wmma.h"},
       .targets = {"amdgcn:gfx1100"},
       .tunables = {{"UNITS_M", 4, 4}, {"UNITS_N", 2, 2}, {"FM", 1, 1}, {"FN", 2, 2}, {"RASTER", 8, 8}}},
      {.gemm = "gemm_unit_amd_wmma12",
       .qgemm = "qgemm_unit_amd_wmma12",
       .probe = "unit_probe_amd_wmma12",
       .headers = {"cl/lib/unit_amd_lanes.h", "cl/lib/unit_amd_gfx12.h", "cl/lib/unit_amd_wmma_builtin.h",
                   "cl/lib/unit_amd_wmma.h"},
       .targets = {"amdgcn:gfx1200"},
       .tunables = {{"UNITS_M", 4, 4}, {"UNITS_N", 2, 2}, {"FM", 1, 1}, {"FN", 2, 2}, {"RASTER", 8, 8}}},
      {.gemm = "gemm_unit_intel_dpas8",
       .qgemm = "qgemm_unit_intel_dpas8",
       .probe = "unit_probe_intel_dpas8",
       .headers = {"cl/lib/unit_intel_8.h", "cl/lib/unit_intel_dpas_builtin.h", "cl/lib/unit_intel_dpas.h"},
       .targets = {"dg2"},
       .tunables = {{"UNITS_M", 4, 4}, {"UNITS_N", 4, 4}, {"FM", 2, 2}, {"FN", 2, 2}, {"RASTER", 8, 8}}},
      {.gemm = "gemm_unit_intel_dpas16",
       .qgemm = "qgemm_unit_intel_dpas16",
       .probe = "unit_probe_intel_dpas16",
       .headers = {"cl/lib/unit_intel_16.h", "cl/lib/unit_intel_dpas_builtin.h", "cl/lib/unit_intel_dpas.h"},
       .targets = {"pvc"},
       .tunables = {{"UNITS_M", 4, 4}, {"UNITS_N", 2, 2}, {"FM", 4, 4}, {"FN", 2, 2}, {"RASTER", 8, 8}}},
      // The other vendors' fragments over the emulated instruction.
      {.probe = "unit_probe_emulated_amd_mfma",
       .headers = {"cl/lib/unit_amd_mfma_layout.h", "cl/lib/unit_emulated.h", "cl/lib/unit_amd_mfma.h"},
       .targets = {"spir64"}},
      {.probe = "unit_probe_emulated_amd_wmma",
       .headers = {"cl/lib/unit_amd_gfx11.h", "cl/lib/unit_amd_wmma_layout.h", "cl/lib/unit_emulated.h",
                   "cl/lib/unit_amd_wmma.h"},
       .targets = {"spir64"}},
      {.probe = "unit_probe_emulated_amd_wmma12",
       .headers = {"cl/lib/unit_amd_gfx12.h", "cl/lib/unit_amd_wmma_layout.h", "cl/lib/unit_emulated.h",
                   "cl/lib/unit_amd_wmma.h"},
       .targets = {"spir64"}},
      {.probe = "unit_probe_emulated_intel_dpas8",
       .headers = {"cl/lib/unit_intel_8.h", "cl/lib/unit_intel_dpas_layout.h", "cl/lib/unit_emulated.h",
                   "cl/lib/unit_intel_dpas.h"},
       .targets = {"spir64"}},
      {.probe = "unit_probe_emulated_intel_dpas16",
       .headers = {"cl/lib/unit_intel_16.h", "cl/lib/unit_intel_dpas_layout.h", "cl/lib/unit_emulated.h",
                   "cl/lib/unit_intel_dpas.h"},
       .targets = {"spir64"}},
  };
  return all;
}

constexpr std::string_view kTypes = "cl/shared/types.h", kCommon = "cl/lib/common.h",
                           kArgs = "cl/shared/unit_args.h", kTile = "cl/lib/unit_tile.h",
                           kStage = "cl/lib/unit_stage.h", kProduct = "cl/lib/unit_product.h";

std::vector<std::string_view> sources(const Unit& unit, std::initializer_list<std::string_view> last) {
  std::vector<std::string_view> all{kTypes, kCommon, kArgs, kTile};
  all.insert(all.end(), unit.headers.begin(), unit.headers.end());
  all.insert(all.end(), last);
  return all;
}

/// Every loader of either operand, not every pair of them: compilations are what the offline check costs.
std::vector<Macros> gemm_meanings() {
  const auto meaning = [](int a_by_k, int b_by_k, int a_half, int b_half, int bf16, int loads, int aligned) {
    return Macros{{"A_BY_K", a_by_k},   {"B_BY_K", b_by_k},    {"A_HALF", a_half},  {"B_HALF", b_half},
                  {"INPUT_BF16", bf16}, {"UNIT_LOADS", loads}, {"ALIGNED", aligned}};
  };
  return {meaning(1, 1, 0, 0, 1, 1, 1), meaning(1, 0, 1, 0, 0, 2, 1), meaning(0, 0, 0, 1, 1, 1, 1),
          meaning(1, 1, 1, 1, 0, 2, 0)};
}

/// Every width in one direction or the other, every way to find scales in both.
std::vector<Macros> qgemm_meanings() {
  const auto meaning = [](int bits, int whole, int transposed, int x_half, int bf16, int loads, int aligned) {
    return Macros{{"BITS", bits},     {"WHOLE", whole},     {"TRANSPOSED", transposed},
                  {"X_HALF", x_half}, {"INPUT_BF16", bf16}, {"UNIT_LOADS", loads},
                  {"VW", 1},          {"ALIGNED", aligned}};
  };
  return {meaning(2, 1, 0, 1, 0, 1, 1), meaning(2, 1, 1, 0, 1, 1, 1), meaning(3, 1, 0, 0, 1, 2, 1),
          meaning(3, 1, 1, 1, 0, 2, 1), meaning(4, 0, 0, 0, 1, 1, 0), meaning(8, 0, 1, 0, 1, 1, 0)};
}

/// Of a unit that is not checked in every meaning: two with ordinary loads, one of each input type.
std::vector<Macros> checked(const Unit& unit, std::vector<Macros> meanings) {
  if (unit.every_meaning) return meanings;
  std::erase_if(meanings, [](const Macros& meaning) { return value_of(meaning, "UNIT_LOADS") != 1; });
  meanings.resize(2);
  for (int i = 0; i < 2; ++i)
    for (auto& [name, value] : meanings[static_cast<std::size_t>(i)])
      if (name == "INPUT_BF16") value = i;
  if (unit.gemm.empty()) meanings.erase(meanings.begin());  // layouts are the same for both
  return meanings;
}

}  // namespace

std::vector<KernelSpec> unit_kernels() {
  std::vector<KernelSpec> out{{.name = "unit_sum",
                               .sources = {kTypes, kCommon, kArgs, "cl/matmul/unit_sum.cl"},
                               .entries = {"unit_sum"},
                               .meanings = {Macros{}},
                               .tunables = {{"LS", 32, 64}}}};
  for (const Unit& unit : units()) {
    out.push_back(
        {.name = unit.probe,
         .sources = sources(unit, {"cl/matmul/unit_probe.cl"}),
         .entries = {"unit_probe"},
         .meanings = checked(
             unit, combinations(
                       {{"INPUT_BF16", {0, 1}}, {"UNIT_LOADS", {1, 2}}, {"UNITS_M", {1}}, {"UNITS_N", {1}}})),
         .tunables = {},
         .targets = unit.targets});
    if (unit.gemm.empty()) continue;
    out.push_back({.name = unit.gemm,
                   .sources = sources(unit, {kStage, kProduct, "cl/matmul/gemm_unit.cl"}),
                   .entries = {"gemm_unit"},
                   .meanings = checked(unit, gemm_meanings()),
                   .tunables = unit.tunables,
                   .targets = unit.targets});
    out.push_back({.name = unit.qgemm,
                   .sources = sources(unit, {kStage, kProduct, "cl/lib/unpack.h", "cl/lib/codec_affine.h",
                                             "cl/lib/unit_unpack.h", "cl/matmul/qgemm_unit.cl"}),
                   .entries = {"qgemm_unit"},
                   .meanings = checked(unit, qgemm_meanings()),
                   .tunables = unit.tunables,
                   .targets = unit.targets});
  }
  return out;
}

}  // namespace apiq::runtime
