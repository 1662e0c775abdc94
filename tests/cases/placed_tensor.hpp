// A tensor in the middle of a larger buffer, with sentinels around it: what kernels get when they work on
// views, and how a test sees that they wrote nowhere else.
#pragma once
#include "cases/device_fixture.hpp"

namespace apiq::testing {

class PlacedTensor {
 public:
  static constexpr std::uint64_t kBefore = 5, kAfter = 37;
  static constexpr std::uint8_t kSentinel = 0x5a;

  PlacedTensor(const Shape& shape, DType dtype = DType::f32)
      : tensor_(shared_device(), dtype, {kBefore + shape.elements() + kAfter}, "test tensor"),
        view_{tensor_.view().memory, kBefore, dtype, shape} {
    const std::vector<std::uint8_t> sentinels(tensor_.view().bytes(), kSentinel);
    shared_queue().write(tensor_, sentinels.data());
  }

  PlacedTensor(const std::vector<float>& values, const Shape& shape, DType dtype = DType::f32)
      : PlacedTensor(shape, dtype) {
    if (dtype == DType::f32) {
      shared_queue().write(view_, values.data());
      return;
    }
    std::vector<std::uint16_t> raw;
    for (const float value : values) raw.push_back(float_to_half(value));
    shared_queue().write(view_, raw.data());
  }

  operator const runtime::TensorView&() const { return view_; }
  const runtime::TensorView& view() const { return view_; }

  std::vector<float> floats() const {
    expect_sentinels();
    return download(view_);
  }

  template <class T>
  std::vector<T> integers() const {
    expect_sentinels();
    std::vector<T> out(view_.elements());
    shared_queue().read(view_, out.data());
    return out;
  }

 private:
  void expect_sentinels() const {
    std::vector<std::uint8_t> raw(tensor_.view().bytes());
    shared_queue().read(tensor_, raw.data());
    const std::size_t begin = kBefore * size_of(view_.dtype), end = begin + view_.bytes();
    for (std::size_t i = 0; i < raw.size(); ++i)
      ASSERT_TRUE((i >= begin && i < end) || raw[i] == kSentinel)
          << "byte " << i << " outside of the tensor (" << begin << " to " << end << ") was written";
  }

  runtime::DeviceTensor tensor_;
  runtime::TensorView view_;
};

}  // namespace apiq::testing
