#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> nn_kernels() {
  return {
      {.name = "cross_entropy",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/lib/ragged.h", "cl/shared/cross_entropy_args.h", "cl/nn/cross_entropy.cl"},
       .entries = {"cross_entropy_fwd", "cross_entropy_bwd", "kl_divergence_fwd"},
       .meanings = {{{"HALF", 0}}, {{"HALF", 1}}},
       .tunables = {{"WG", 1, 256}, {"VW", 16, 1}}},
      {.name = "loss",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/lib/ragged.h", "cl/shared/loss_args.h", "cl/nn/loss.cl"},
       .entries = {"squared_error", "relative_error", "sum_partials"},
       .meanings = {{{"HALF", 0}}, {{"HALF", 1}}},
       .tunables = {{"WG", 1, 128}, {"VW", 16, 2}}},
  };
}

}  // namespace apiq::runtime
