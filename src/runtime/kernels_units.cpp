// Rows of the programs on matrix units: each kernel once per unit, with that unit's headers, compilers and presets.
#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

namespace {

/// One way to execute a matrix instruction. A vendor adds a row here and the name in matrix_unit.hpp.
struct Unit {
  std::string_view gemm, qgemm, probe;    // names of its programs
  std::vector<std::string_view> headers;  // define the interface described in cl/lib/unit_tile.h
  std::vector<std::string_view> targets;  // KernelSpec::targets
  std::vector<Tunable> tunables;
};

const std::vector<Unit>& units() {
  static const std::vector<Unit> all = {
      {.gemm = "gemm_unit_nv_mma",
       .qgemm = "qgemm_unit_nv_mma",
       .probe = "unit_probe_nv_mma",
       .headers = {"cl/lib/unit_nv_ptx.h", "cl/lib/unit_nv_mma.h"},
       .targets = {"nvptx64"},
       .tunables = {{"UNITS_M", 2, 2}, {"UNITS_N", 2, 2}, {"FM", 4, 4}, {"FN", 8, 8}, {"RASTER", 8, 8}}},
      // For tests, which build what they run: one compiler is enough to check it offline. Small tiles with several units and fragments
      // in both directions over the two presets.
      {.gemm = "gemm_unit_emulated",
       .qgemm = "qgemm_unit_emulated",
       .probe = "unit_probe_emulated",
       .headers = {"cl/lib/unit_nv_layout.h", "cl/lib/unit_emulated.h", "cl/lib/unit_nv_emulated.h", "cl/lib/unit_nv_mma.h"},
       .targets = {"spir64"},
       .tunables = {{"UNITS_M", 2, 1}, {"UNITS_N", 2, 2}, {"FM", 1, 2}, {"FN", 2, 4}, {"RASTER", 2, 2}}},
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
  const auto meaning = [](int a_by_k, int b_by_k, int a_half, int b_half, int bf16, int loads, int aligned) {
    return Macros{{"A_BY_K", a_by_k},   {"B_BY_K", b_by_k},    {"A_HALF", a_half},  {"B_HALF", b_half},
                  {"INPUT_BF16", bf16}, {"UNIT_LOADS", loads}, {"ALIGNED", aligned}};
  };
  return {meaning(1, 1, 0, 0, 1, 1, 1), meaning(1, 0, 1, 0, 0, 2, 1), meaning(0, 0, 0, 1, 1, 1, 1), meaning(1, 1, 1, 1, 0, 2, 0)};
}

/// Every width in one direction or the other, every way to find scales in both.
std::vector<Macros> qgemm_meanings() {
  const auto meaning = [](int bits, int whole, int transposed, int x_half, int bf16, int loads, int aligned) {
    return Macros{{"BITS", bits},        {"WHOLE", whole}, {"TRANSPOSED", transposed}, {"X_HALF", x_half}, {"INPUT_BF16", bf16},
                  {"UNIT_LOADS", loads}, {"VW", 1},        {"ALIGNED", aligned}};
  };
  return {meaning(2, 1, 0, 1, 0, 1, 1), meaning(2, 1, 1, 0, 1, 1, 1), meaning(3, 1, 0, 0, 1, 2, 1),
          meaning(3, 1, 1, 1, 0, 2, 1), meaning(4, 0, 0, 0, 1, 1, 0), meaning(8, 0, 1, 0, 1, 1, 0)};
}

}  // namespace

std::vector<KernelSpec> unit_kernels() {
  std::vector<KernelSpec> out{{.name = "unit_sum",
                               .sources = {kTypes, kCommon, kArgs, "cl/matmul/unit_sum.cl"},
                               .entries = {"unit_sum"},
                               .meanings = {Macros{}},
                               .tunables = {{"LS", 32, 64}}}};
  for (const Unit& unit : units()) {
    out.push_back({.name = unit.gemm,
                   .sources = sources(unit, {kStage, kProduct, "cl/matmul/gemm_unit.cl"}),
                   .entries = {"gemm_unit"},
                   .meanings = gemm_meanings(),
                   .tunables = unit.tunables,
                   .targets = unit.targets});
    out.push_back({.name = unit.qgemm,
                   .sources = sources(unit, {kStage, kProduct, "cl/lib/unpack.h", "cl/lib/unit_unpack.h", "cl/matmul/qgemm_unit.cl"}),
                   .entries = {"qgemm_unit"},
                   .meanings = qgemm_meanings(),
                   .tunables = unit.tunables,
                   .targets = unit.targets});
    out.push_back({.name = unit.probe,
                   .sources = sources(unit, {"cl/matmul/unit_probe.cl"}),
                   .entries = {"unit_probe"},
                   .meanings = combinations({{"INPUT_BF16", {0, 1}}, {"UNIT_LOADS", {1, 2}}, {"UNITS_M", {1}}, {"UNITS_N", {1}}}),
                   .tunables = {},
                   .targets = unit.targets});
  }
  return out;
}

}  // namespace apiq::runtime
