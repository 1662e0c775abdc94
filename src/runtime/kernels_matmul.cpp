#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> matmul_kernels() {
  return {
  };
}

}  // namespace apiq::runtime
