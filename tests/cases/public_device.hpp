// The device of tests that go through the public API.
#pragma once
#include "apiq/device.hpp"
#include "cases/device_fixture.hpp"

namespace apiq::testing {

inline Device& public_device() {
  static Device device = [] {
    DeviceOptions options;
    if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
    return Device::open(options);
  }();
  return device;
}

/// f32 tensor on the device of this queue.
inline runtime::DeviceTensor upload_to(runtime::Queue& queue, const std::vector<float>& values,
                                       const Shape& shape) {
  runtime::DeviceTensor tensor(queue.device(), DType::f32, shape, "test tensor");
  queue.write(tensor, values.data());
  return tensor;
}

}  // namespace apiq::testing
