#include "runtime/buffer.hpp"

#include <string>
#include <utility>

#include "runtime/device.hpp"
#include "runtime/opencl.hpp"
#include "util/text.hpp"

namespace apiq::runtime {

Buffer::Buffer(Device& device, std::uint64_t bytes, std::string_view what) {
  // Zero-sized tensors are legal in shapes but not in OpenCL.
  const std::uint64_t size = bytes == 0 ? 4 : bytes;
  const std::uint64_t largest = device.info().max_buffer_bytes;
  if (size > largest)
    throw Unsupported("[device memory] " + std::string(what) + " needs one buffer of " + size_text(size) +
                      "; this device takes at most " + size_text(largest));
  device.budget().acquire(size, what);
  cl_int code = CL_SUCCESS;
  handle_ = clCreateBuffer(device.cl_context(), CL_MEM_READ_WRITE, size, nullptr, &code);
  if (code != CL_SUCCESS) {
    device.budget().release(size);
    throw OutOfDeviceMemory("[device memory] the driver refused a buffer of " + size_text(size) + " for " +
                            std::string(what) + " with " + std::string(error_name(code)) +
                            "; lower --device-memory");
  }
  device_ = &device;
  bytes_ = size;
}

Buffer::~Buffer() { reset(); }

Buffer::Buffer(Buffer&& other) noexcept
    : device_(std::exchange(other.device_, nullptr)),
      handle_(std::exchange(other.handle_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    reset();
    device_ = std::exchange(other.device_, nullptr);
    handle_ = std::exchange(other.handle_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void Buffer::reset() noexcept {
  if (handle_ == nullptr) return;
  clReleaseMemObject(static_cast<cl_mem>(handle_));
  device_->budget().release(bytes_);
  handle_ = nullptr;
  bytes_ = 0;
}

TensorView TensorView::reshaped(const Shape& other) const {
  if (other.elements() != elements())
    throw ShapeError("[reshape] " + shape.text() + " does not have the elements of " + other.text());
  TensorView out = *this;
  out.shape = other;
  return out;
}

TensorView TensorView::rows(std::uint64_t begin, std::uint64_t count) const {
  if (shape.rank() == 0 || begin + count > shape[0])
    throw ShapeError("[rows] " + std::to_string(begin) + " + " + std::to_string(count) +
                     " is past the first axis of " + shape.text());
  TensorView out = *this;
  const std::uint64_t stride = shape[0] == 0 ? 0 : elements() / shape[0];
  out.offset += begin * stride;
  switch (shape.rank()) {
    case 1: out.shape = {count}; break;
    case 2: out.shape = {count, shape[1]}; break;
    case 3: out.shape = {count, shape[1], shape[2]}; break;
    default: out.shape = {count, shape[1], shape[2], shape[3]};
  }
  return out;
}

DeviceTensor::DeviceTensor(Device& device, DType dtype, const Shape& shape, std::string_view what)
    : buffer_(device, shape.elements() * size_of(dtype), what), view_{buffer_.handle(), 0, dtype, shape} {}

}  // namespace apiq::runtime
