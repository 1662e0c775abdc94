// The registry's rows, one function per folder of cl/.
#pragma once
#include "runtime/kernel_registry.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> matmul_kernels();
std::vector<KernelSpec> nn_kernels();
std::vector<KernelSpec> quant_kernels();
std::vector<KernelSpec> optim_kernels();

}  // namespace apiq::runtime
