#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> limits_kernels() {
  return {
      {.name = "limits",
       .sources = {"cl/shared/types.h", "cl/lib/common.h", "cl/shared/limits_args.h", "cl/limits/limits.cl"},
       .entries = {"read_words", "multiply_add"},
       .meanings = {{}},
       .tunables = {{"VW", 16, 4}, {"WG", 1, 256}, {"VECTORS", 4096, 16}}},
  };
}

}  // namespace apiq::runtime
