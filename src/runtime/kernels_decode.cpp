// Rows of the programs of decoding: one token at a time.
#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

namespace {

/// Packed in every width, dense in both types; the other choices once each.
std::vector<Macros> decode_meanings() {
  const auto meaning = [](int dense, int bits, int head_dim, int half, int table_half) {
    return Macros{{"DENSE", dense}, {"BITS", bits}, {"ALIGNED", 1}, {"HEAD_DIM", head_dim}, {"HALF", half}, {"TABLE_HALF", table_half}};
  };
  return {meaning(0, 2, 32, 0, 1), meaning(0, 3, 64, 0, 1),  meaning(0, 4, 128, 0, 0),
          meaning(0, 8, 64, 1, 1), meaning(16, 8, 32, 0, 1), meaning(32, 8, 32, 0, 0)};
}

}  // namespace

std::vector<KernelSpec> decode_kernels() {
  return {
      // USED: whether work-groups of this class of device run as threads do, which the kernel needs.
      {.name = "decode_token",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/shared/qmatmul_args.h", "cl/lib/unpack.h", "cl/lib/qgemv_rows.h",
                   "cl/shared/decode_args.h", "cl/decode/rows.h", "cl/decode/attention_head.h", "cl/decode/phases.h", "cl/decode/stages.h",
                   "cl/decode/best.h", "cl/decode/choice.h", "cl/decode/decode_token.cl"},
       .entries = {"decode_token"},
       .meanings = decode_meanings(),
       .tunables = {{"VW", 16, 4}, {"RV", 2, 1}, {"EXTRACT", 3, 2}, {"AHEAD", 6, 1}, {"WG", 1, 1}, {"USED", 1, 0}}},
      {.name = "argmax",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/unpack.h", "cl/shared/argmax_args.h", "cl/decode/best.h", "cl/decode/argmax.cl"},
       .entries = {"argmax_parts", "argmax_choose"},
       .meanings = {{{"BITS", 8}}},
       .tunables = {{"VW", 16, 1}, {"WG", 1, 256}}},
  };
}

}  // namespace apiq::runtime
