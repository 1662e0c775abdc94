#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

namespace {

/// The three forms (nt, nn, tn) in all storage types.
std::vector<Macros> gemm_meanings() {
  std::vector<Macros> out;
  for (const auto& [a_by_k, b_by_k] : {std::pair{1, 1}, {1, 0}, {0, 0}})
    for (int bits = 0; bits < 8; ++bits)
      out.push_back({{"A_BY_K", a_by_k}, {"B_BY_K", b_by_k}, {"A_HALF", bits & 1}, {"B_HALF", bits >> 1 & 1}, {"C_HALF", bits >> 2 & 1}});
  return out;
}

}  // namespace

std::vector<KernelSpec> matmul_kernels() {
  return {
      {.name = "gemm",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/gemm_args.h", "cl/lib/gemm_tile.h", "cl/matmul/gemm.cl"},
       .entries = {"gemm"},
       .meanings = gemm_meanings(),
       .tunables = {{"VW", 16, 4}, {"LX", 1, 16}, {"LY", 1, 16}, {"MR", 8, 4}, {"NV", 2, 1}, {"KC", 128, 16}}},
      // PACK_ROWS: products with at least this many rows take this path; 0: none do.
      {.name = "gemm_packed",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/gemm_args.h", "cl/lib/gemm_tile.h", "cl/matmul/gemm_packed.cl"},
       .entries = {"gemm_pack", "gemm_panels"},
       .meanings =
           {{{"C_HALF", 0}, {"A_DIRECT", 0}}, {{"C_HALF", 1}, {"A_DIRECT", 0}}, {{"C_HALF", 0}, {"A_DIRECT", 1}}, {{"C_HALF", 1}, {"A_DIRECT", 1}}},
       .tunables = {{"VW", 16, 4}, {"NV", 2, 1}, {"MR", 12, 4}, {"ROW_BLOCK", 10, 10}, {"PACK_ROWS", 9, 0}}},
  };
}

}  // namespace apiq::runtime
