// Device memory: owning buffers that are accounted for in the budget, and typed views into them.
#pragma once
#include <cstdint>
#include <string_view>

#include "apiq/dtype.hpp"
#include "tensor/shape.hpp"

namespace apiq::runtime {

class Device;

/// Owns one OpenCL buffer and its share of the memory budget. Contents start undefined. Must not outlive its
/// Device.
class Buffer {
 public:
  Buffer() = default;
  /// Throws OutOfDeviceMemory (budget or driver) or Unsupported (larger than one buffer may be); `what` names
  /// it in the text.
  Buffer(Device& device, std::uint64_t bytes, std::string_view what);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::uint64_t bytes() const { return bytes_; }
  void* handle() const { return handle_; }  // cl_mem

 private:
  void reset() noexcept;
  Device* device_ = nullptr;
  void* handle_ = nullptr;
  std::uint64_t bytes_ = 0;
};

/// Part of a buffer seen as a dense row-major tensor. Does not own; cheap to copy.
struct TensorView {
  void* memory = nullptr;    // cl_mem
  std::uint64_t offset = 0;  // in elements, from the start of the buffer
  DType dtype = DType::f32;
  Shape shape;

  std::uint64_t elements() const { return shape.elements(); }
  std::uint64_t bytes() const { return elements() * size_of(dtype); }
  /// Same elements, other shape. Throws ShapeError if the counts differ.
  TensorView reshaped(const Shape& other) const;
  /// `count` entries of the first axis from `begin`. Throws ShapeError past the end.
  TensorView rows(std::uint64_t begin, std::uint64_t count) const;
};

/// A buffer with dtype and shape.
class DeviceTensor {
 public:
  DeviceTensor() = default;
  DeviceTensor(Device& device, DType dtype, const Shape& shape, std::string_view what);

  const TensorView& view() const { return view_; }
  operator const TensorView&() const { return view_; }
  const Shape& shape() const { return view_.shape; }
  DType dtype() const { return view_.dtype; }
  bool empty() const { return buffer_.bytes() == 0; }

 private:
  Buffer buffer_;
  TensorView view_;
};

}  // namespace apiq::runtime
