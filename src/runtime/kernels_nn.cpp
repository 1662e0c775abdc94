#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> nn_kernels() {
  return {
  };
}

}  // namespace apiq::runtime
