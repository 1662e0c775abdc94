#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> optim_kernels() {
  return {
  };
}

}  // namespace apiq::runtime
