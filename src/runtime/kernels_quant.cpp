#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> quant_kernels() {
  return {
      {.name = "fake_quant",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/lib/ragged.h",
                   "cl/shared/fake_quant_args.h", "cl/quant/fake_quant.cl"},
       .entries = {"group_range", "mse_range", "quant_grid", "fake_quant_fwd", "fake_quant_bwd",
                   "quantize_codes"},
       .meanings = {{}},
       .tunables = {{"WG", 1, 128}, {"TEAM", 1, 32}, {"VW", 16, 2}, {"WG_ELEMENTS", 16384, 4096}}},
      {.name = "moments",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/lib/reduce.h", "cl/lib/ragged.h",
                   "cl/shared/moments_args.h", "cl/quant/moments.cl"},
       .entries = {"damp", "take_diagonal", "scale_columns"},
       .meanings = {{}},
       .tunables = {{"WG", 1, 128}, {"VW", 16, 4}}},
  };
}

}  // namespace apiq::runtime
