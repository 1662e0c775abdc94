#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> quant_kernels() {
  return {
  };
}

}  // namespace apiq::runtime
