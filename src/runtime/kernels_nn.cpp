#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

namespace {

/// Head sizes of the Llama family, and one that is not a power of two; launchers pass whatever the model has.
std::vector<Macros> attention_meanings() {
  std::vector<Macros> all;
  for (const int head_dim : {32, 64, 80, 128})
    for (const int half : {0, 1}) all.push_back({{"HEAD_DIM", head_dim}, {"HALF", half}});
  return all;
}

}  // namespace

std::vector<KernelSpec> nn_kernels() {
  return {
      {.name = "cross_entropy",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/lib/ragged.h", "cl/shared/cross_entropy_args.h",
                   "cl/nn/cross_entropy.cl"},
       .entries = {"cross_entropy_fwd", "cross_entropy_bwd", "kl_divergence_fwd"},
       .meanings = {{{"HALF", 0}}, {{"HALF", 1}}},
       .tunables = {{"WG", 1, 256}, {"VW", 16, 1}}},
      {.name = "loss",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/lib/ragged.h", "cl/shared/loss_args.h", "cl/nn/loss.cl"},
       .entries = {"squared_error", "relative_error", "dot_product", "sum_partials"},
       .meanings = {{{"HALF", 0}}, {{"HALF", 1}}},
       .tunables = {{"WG", 1, 128}, {"VW", 16, 2}}},
      {.name = "elementwise",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/elementwise_args.h", "cl/nn/elementwise.cl"},
       .entries = {"scaled_add"},
       .meanings = {{{"HALF", 0}}, {{"HALF", 1}}},
       .tunables = {{"VW", 16, 4}, {"WG", 1, 256}, {"ITEMS", 256, 1}}},
      {.name = "to_f32",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/elementwise_args.h", "cl/nn/to_f32.cl"},
       .entries = {"to_f32"},
       .meanings = {{{"BFLOAT", 0}}, {{"BFLOAT", 1}}},
       .tunables = {{"VW", 16, 4}, {"WG", 1, 256}, {"ITEMS", 256, 1}}},
      {.name = "swiglu",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/swiglu_args.h", "cl/nn/swiglu.cl"},
       .entries = {"swiglu_fwd", "swiglu_bwd"},
       .meanings = {{{"HALF", 0}}, {{"HALF", 1}}},
       .tunables = {{"VW", 16, 4}, {"WG", 1, 256}, {"ITEMS", 128, 1}}},
      {.name = "embedding",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/embedding_args.h", "cl/nn/embedding.cl"},
       .entries = {"embedding_fwd"},
       .meanings =
           {{{"TABLE_HALF", 0}, {"HALF", 0}}, {{"TABLE_HALF", 0}, {"HALF", 1}}, {{"TABLE_HALF", 1}, {"HALF", 0}}, {{"TABLE_HALF", 1}, {"HALF", 1}}},
       .tunables = {{"VW", 16, 4}, {"WG", 1, 64}}},
      {.name = "rmsnorm",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/shared/rmsnorm_args.h", "cl/nn/rmsnorm.cl"},
       .entries = {"rmsnorm_fwd", "rmsnorm_bwd"},
       .meanings = {{{"HALF", 0}}, {{"HALF", 1}}},
       .tunables = {{"VW", 16, 4}, {"WG", 1, 256}, {"ROWS", 4, 1}}},
      {.name = "rope",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/rope_args.h", "cl/nn/rope.cl"},
       .entries = {"rope_fwd", "rope_bwd"},
       .meanings = {{{"HALF", 0}}, {{"HALF", 1}}},
       .tunables = {{"VW", 16, 2}, {"WG", 1, 64}, {"ITEMS", 64, 1}}},
      {.name = "attention",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/ragged.h", "cl/lib/exp2.h", "cl/lib/fetch.h", "cl/lib/transpose_square.h",
                   "cl/lib/attention_tile.h", "cl/shared/attention_args.h", "cl/nn/attention.cl"},
       .entries = {"attention_fwd"},
       .meanings = attention_meanings(),
       .tunables =
           {{"VW", 16, 4}, {"RB", 4, 2}, {"TR", 1, 8}, {"TD", 1, 16}, {"BK", 32, 64}, {"KC", 4, 4}, {"DC", 4, 8}, {"DS", 1024, 32}, {"VS", 32, 16}}},
      {.name = "attention_bwd",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/ragged.h", "cl/lib/exp2.h", "cl/lib/fetch.h", "cl/lib/transpose_square.h",
                   "cl/shared/attention_bwd_args.h", "cl/nn/attention_bwd.cl"},
       .entries = {"attention_bwd", "attention_bwd_sum"},
       .meanings = attention_meanings(),
       .tunables =
           {{"FORM", 1, 2}, {"VW", 16, 4}, {"RB", 4, 1}, {"BK", 32, 16}, {"KC", 4, 2}, {"DC", 4, 8}, {"KEYS", 8, 2}, {"DV", 2, 1}, {"SPAN", 64, 1}}},
      {.name = "attention_bwd_tiles",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/ragged.h", "cl/lib/exp2.h", "cl/lib/transpose_square.h", "cl/lib/attention_tile.h",
                   "cl/shared/attention_bwd_args.h", "cl/nn/attention_bwd_tiles.cl"},
       .entries = {"attention_bwd_delta", "attention_bwd_tiles"},
       .meanings = {{{"HEAD_DIM", 64}, {"HALF", 1}}, {{"HEAD_DIM", 80}, {"HALF", 0}}, {{"HEAD_DIM", 128}, {"HALF", 1}}},
       .tunables =
           {{"VW", 16, 4}, {"RB", 4, 2}, {"TR", 1, 8}, {"TD", 1, 16}, {"BK", 32, 64}, {"KC", 4, 4}, {"DC", 4, 8}, {"DS", 1024, 32}, {"VS", 32, 16}}},
      {.name = "attention_decode",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/fetch.h", "cl/shared/attention_args.h", "cl/nn/attention_decode.cl"},
       .entries = {"attention_decode", "attention_combine"},
       .meanings = attention_meanings(),
       .tunables = {{"VW", 16, 4}, {"LK", 1, 8}, {"KS", 1, 16}, {"BK", 16, 4}}},
  };
}

}  // namespace apiq::runtime
