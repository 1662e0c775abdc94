// The registry's rows, one function per folder of cl/.
#pragma once
#include "runtime/kernel_registry.hpp"

namespace apiq::runtime {

std::vector<KernelSpec> matmul_kernels();
std::vector<KernelSpec> nn_kernels();
std::vector<KernelSpec> quant_kernels();
std::vector<KernelSpec> optim_kernels();
std::vector<KernelSpec> limits_kernels();  // what devices can do at best
std::vector<KernelSpec> decode_kernels();  // one token at a time
std::vector<KernelSpec> packed_kernels();  // products with packed weights and packing itself
std::vector<KernelSpec> unit_kernels();    // products on matrix units

/// Every choice of one value per macro, for KernelSpec::meanings.
std::vector<Macros> combinations(const std::vector<std::pair<std::string_view, std::vector<int>>>& values);

}  // namespace apiq::runtime
