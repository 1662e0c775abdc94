#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

namespace {

/// The three forms (nt, nn, tn) in all storage types.
std::vector<Macros> gemm_meanings() {
  std::vector<Macros> out;
  for (const auto& [a_by_k, b_by_k] : {std::pair{1, 1}, {1, 0}, {0, 0}})
    for (int bits = 0; bits < 8; ++bits)
      out.push_back({{"A_BY_K", a_by_k},
                     {"B_BY_K", b_by_k},
                     {"A_HALF", bits & 1},
                     {"B_HALF", bits >> 1 & 1},
                     {"C_HALF", bits >> 2 & 1}});
  return out;
}

/// a is copied (f16, or where its order is bad for the caches) or read where it lies, in each form.
std::vector<Macros> gemm_block_meanings() {
  std::vector<Macros> out;
  for (const auto& [a_by_k, b_by_k] : {std::pair{1, 1}, {1, 0}, {0, 0}})
    for (int bits = 0; bits < 4; ++bits)
      out.push_back({{"A_BY_K", a_by_k}, {"B_BY_K", b_by_k}, {"A_DIRECT", bits & 1}, {"C_HALF", bits >> 1}});
  return out;
}

}  // namespace

std::vector<KernelSpec> matmul_kernels() {
  return {
      {.name = "gemm_block",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/gemm_args.h", "cl/lib/gemm_tile.h",
                   "cl/lib/transpose.h", "cl/matmul/gemm_block.cl"},
       .entries = {"gemm_block"},
       .meanings = gemm_block_meanings(),
       .tunables = {{"VW", 16, 4},
                    {"NV", 4, 1},
                    {"MR", 6, 4},
                    {"TILES", 43, 2},
                    {"KC", 128, 16},
                    {"MIN_ROWS", 9, 0}}},
      {.name = "gemm_rows",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/gemm_args.h", "cl/lib/gemm_tile.h",
                   "cl/lib/transpose.h", "cl/matmul/gemm_rows.cl"},
       .entries = {"gemm_rows"},
       .meanings = {{{"B_HALF", 0}, {"C_HALF", 0}}, {{"B_HALF", 1}, {"C_HALF", 0}}},
       .tunables = {{"VW", 16, 4}, {"MR", 8, 4}, {"MAX_ROWS", 8, 0}}},
      {.name = "gemm_dot",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/gemm_args.h", "cl/lib/gemm_tile.h",
                   "cl/matmul/gemm_dot.cl"},
       .entries = {"gemm_dot"},
       .meanings = combinations({{"A_HALF", {0, 1}}, {"B_HALF", {0, 1}}, {"C_HALF", {0, 1}}}),
       .tunables = {{"VW", 4, 4}, {"LX", 8, 32}, {"LY", 1, 8}, {"MR", 4, 8}, {"MAX_ROWS", 0, 16}}},
      {.name = "gemm",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/gemm_args.h", "cl/lib/gemm_tile.h",
                   "cl/matmul/gemm.cl"},
       .entries = {"gemm"},
       .meanings = gemm_meanings(),
       .tunables =
           {{"VW", 16, 4}, {"LX", 1, 16}, {"LY", 1, 16}, {"MR", 8, 8}, {"NV", 2, 2}, {"KC", 128, 16}}},
  };
}

}  // namespace apiq::runtime
