#include "runtime/compute.hpp"

#include "runtime/device.hpp"

namespace apiq::runtime {

ComputeScope::ComputeScope(Device& device, Work work)
    : device_(device), before_(device.fast_paths().rounding) {
  device.fast_paths().rounding = rounding_of(device.compute(), work);
}

ComputeScope::~ComputeScope() { device_.fast_paths().rounding = before_; }

}  // namespace apiq::runtime
