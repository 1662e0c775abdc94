// One opened device for all kernel tests of a program, and the helpers that move random tensors to it and
// back. The device is chosen as the programs choose it: $APIQ_DEVICE, else auto.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "runtime/queue.hpp"
#include "util/half.hpp"

namespace apiq::testing {

inline runtime::Device& shared_device() {
  static const std::unique_ptr<runtime::Device> device = [] {
    DeviceOptions options;
    if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
    return runtime::Device::open(options);
  }();
  return *device;
}

inline runtime::Queue& shared_queue() { return shared_device().queue(); }

/// Uniform in [low, high), the same for the same seed everywhere.
inline std::vector<float> random_floats(std::size_t count, std::uint32_t seed, float low = -1.0f,
                                        float high = 1.0f) {
  std::mt19937 generator(seed);
  std::vector<float> out(count);
  for (float& value : out) value = low + (high - low) * static_cast<float>(generator() >> 8) * 0x1p-24f;
  return out;
}

/// Rounded to binary16 and back: what a half tensor holds after upload.
inline std::vector<float> rounded_to_half(std::vector<float> values) {
  for (float& value : values) value = half_to_float(float_to_half(value));
  return values;
}

/// A device tensor holding these values; dtype f32 or f16 (rounded to nearest even).
inline runtime::DeviceTensor upload(const std::vector<float>& values, const Shape& shape,
                                    DType dtype = DType::f32) {
  runtime::DeviceTensor tensor(shared_device(), dtype, shape, "test tensor");
  if (dtype == DType::f32) {
    shared_queue().write(tensor, values.data());
  } else {
    std::vector<std::uint16_t> raw(values.size());
    for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = float_to_half(values[i]);
    shared_queue().write(tensor, raw.data());
  }
  return tensor;
}

inline runtime::DeviceTensor device_tensor(const Shape& shape, DType dtype = DType::f32) {
  return runtime::DeviceTensor(shared_device(), dtype, shape, "test tensor");
}

template <class T>
runtime::DeviceTensor upload_integers(const std::vector<T>& values, const Shape& shape) {
  runtime::DeviceTensor tensor(shared_device(), sizeof(T) == 1 ? DType::u8 : DType::u32, shape,
                               "test tensor");
  shared_queue().write(tensor, values.data());
  return tensor;
}

inline std::vector<float> download(const runtime::TensorView& view) {
  return runtime::read_floats(shared_queue(), view);
}

}  // namespace apiq::testing
