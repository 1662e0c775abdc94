#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> optim_kernels() {
  return {
      {.name = "adamw",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/ragged.h", "cl/shared/adamw_args.h",
                   "cl/optim/adamw.cl"},
       .entries = {"adamw_step", "guard_loss"},
       .meanings = {{}},
       .tunables = {{"WG", 1, 128}, {"VW", 16, 2}, {"WG_ELEMENTS", 8192, 1024}}},
  };
}

}  // namespace apiq::runtime
