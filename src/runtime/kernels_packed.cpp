// Rows of the programs that read or write packed weights.
#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

namespace {
constexpr std::string_view kTypes = "cl/shared/types.h", kCommon = "cl/lib/common.h",
                           kArgs = "cl/shared/qmatmul_args.h", kUnpack = "cl/lib/unpack.h",
                           kCodec = "cl/lib/codec_affine.h", kStore = "cl/lib/store_rows.h",
                           kLora = "cl/lib/lora_dots.h";
}

std::vector<KernelSpec> packed_kernels() {
  return {
      {"token_blocks",
       {kTypes, kCommon, kArgs, "cl/matmul/token_blocks.cl"},
       {"token_blocks"},
       combinations({{"X_HALF", {0, 1}}, {"TOKENS", {4, 8, 16}}}),
       {{"LS", 1, 64}, {"FEATURES", 32, 1}}},
      {"gemv_input",
       {kTypes, kCommon, kArgs, kUnpack, kLora, "cl/matmul/gemv_input.cl"},
       {"gemv_input"},
       combinations({{"X_HALF", {0, 1}}, {"BITS", {2, 3, 4, 8}}, {"EXTRACT", {2, 3}}, {"T", {1}}}),
       {{"VW", 16, 2}, {"R", 4, 1}, {"LANES_K", 1, 64}}},
      {"lora_down",
       {kTypes, kCommon, kArgs, kLora, "cl/matmul/lora_down.cl"},
       {"lora_down"},
       combinations({{"X_HALF", {0, 1}}}),
       {{"VW", 16, 2}, {"T", 4, 4}, {"R", 4, 1}, {"LANES_K", 1, 64}}},
      {"qgemv",
       {kTypes, kCommon, kArgs, kUnpack, kCodec, kStore, "cl/lib/qgemv_rows.h", "cl/matmul/qgemv.cl"},
       {"qgemv"},
       combinations({{"BITS", {2, 3, 4, 8}}, {"ALIGNED", {0, 1}}, {"Y_HALF", {0, 1}}}),
       {{"VW", 16, 1}, {"RV", 2, 1}, {"LS", 1, 32}, {"KS", 1, 8}, {"EXTRACT", 3, 2}, {"AHEAD", 6, 1}}},
      {"qgemm",
       {kTypes, kCommon, kArgs, kUnpack, kCodec, kStore, "cl/matmul/qgemm.cl"},
       {"qgemm"},
       combinations(
           {{"BITS", {2, 3, 4, 8}}, {"ALIGNED", {0, 1}}, {"TOKENS", {4, 8, 16}}, {"Y_HALF", {0, 1}}}),
       {{"VW", 16, 1}, {"RV", 1, 1}, {"LS", 1, 32}, {"KS", 1, 4}, {"MAX_TOKENS", 16, 8}}},
      {"qgemm_bwd",
       {kTypes, kCommon, kArgs, kUnpack, kCodec, kStore, "cl/matmul/qgemm_bwd.cl"},
       {"qgemm_bwd"},
       combinations({{"BITS", {2, 3, 4, 8}}, {"ALIGNED", {0, 1}}, {"TOKENS", {8, 16}}, {"Y_HALF", {0, 1}}}),
       {{"VW", 16, 1}, {"NV", 2, 1}, {"LS", 1, 32}, {"KS", 1, 4}, {"AHEAD", 4, 1}, {"MAX_TOKENS", 8, 8}}},
      {"pack",
       {kTypes, kCommon, "cl/shared/pack_args.h", kUnpack, kCodec, "cl/quant/pack.cl"},
       {"pack_codes", "pack_scales", "pack_zeros", "pack_lora_B", "unpack_codes", "dequantize"},
       combinations({{"BITS", {2, 3, 4, 8}}, {"OUT_HALF", {0, 1}}, {"VW", {1}}}),
       {{"LS", 32, 32}}},
  };
}

}  // namespace apiq::runtime
