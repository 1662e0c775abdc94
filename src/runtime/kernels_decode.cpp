// Rows of the programs of decoding: one token at a time.
#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

namespace {

/// Packed in every width, dense in both types; the other choices once each.
std::vector<Macros> decode_meanings() {
  const auto meaning = [](int dense, int bits, int head_dim, int half, int table_half) {
    return Macros{{"DENSE", dense},       {"BITS", bits}, {"ALIGNED", 1},
                  {"HEAD_DIM", head_dim}, {"HALF", half}, {"TABLE_HALF", table_half}};
  };
  return {meaning(0, 2, 32, 0, 1), meaning(0, 3, 64, 0, 1),  meaning(0, 4, 128, 0, 0),
          meaning(0, 8, 64, 1, 1), meaning(16, 8, 32, 0, 1), meaning(32, 8, 32, 0, 0)};
}

/// A block's four stages, in every width: q, k, v; o and down; gate, up.
std::vector<Macros> stage_meanings() {
  std::vector<Macros> all;
  for (const int bits : {2, 3, 4, 8})
    for (const auto& [norm, output] : {std::pair{1, 0}, {0, 1}, {1, 2}})
      all.push_back(
          {{"BITS", bits}, {"ALIGNED", 1}, {"Y_HALF", bits == 8}, {"NORM", norm}, {"OUTPUT", output}});
  return all;
}

}  // namespace

std::vector<KernelSpec> decode_kernels() {
  return {
      // USED: whether work-groups of this class of device run as threads do, which the kernel needs.
      {.name = "decode_token",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/shared/qmatmul_args.h",
                   "cl/lib/unpack.h", "cl/lib/codec_affine.h", "cl/lib/qgemv_rows.h",
                   "cl/shared/decode_args.h", "cl/decode/rows.h", "cl/decode/attention_head.h",
                   "cl/decode/phases.h", "cl/decode/stages.h", "cl/decode/best.h", "cl/decode/choice.h",
                   "cl/decode/decode_token.cl"},
       .entries = {"decode_token"},
       .meanings = decode_meanings(),
       .tunables =
           {{"VW", 16, 4}, {"RV", 2, 1}, {"EXTRACT", 3, 2}, {"AHEAD", 6, 1}, {"WG", 1, 1}, {"USED", 1, 0}}},
      {.name = "stage",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/shared/qmatmul_args.h",
                   "cl/lib/unpack.h", "cl/lib/codec_affine.h", "cl/lib/store_rows.h", "cl/lib/qgemv_rows.h",
                   "cl/shared/stage_args.h", "cl/decode/stage.cl"},
       .entries = {"stage_input", "stage_products"},
       .meanings = stage_meanings(),
       .tunables = {{"VW", 16, 1},
                    {"RV", 2, 1},
                    {"LS", 1, 32},
                    {"KS", 1, 8},
                    {"EXTRACT", 3, 2},
                    {"AHEAD", 6, 1},
                    {"WG", 1, 128},
                    {"RANKS", 4, 1}}},
      {.name = "argmax",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/unpack.h", "cl/shared/argmax_args.h",
                   "cl/decode/best.h", "cl/decode/argmax.cl"},
       .entries = {"argmax_parts", "argmax_choose"},
       .meanings = {{{"BITS", 8}}},
       .tunables = {{"VW", 16, 1}, {"WG", 1, 256}}},
  };
}

}  // namespace apiq::runtime
