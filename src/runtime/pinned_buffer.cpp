#include "runtime/pinned_buffer.hpp"

#include <cstdlib>
#include <string>
#include <utility>

#include "apiq/error.hpp"
#include "runtime/device.hpp"
#include "runtime/opencl.hpp"
#include "util/text.hpp"

namespace apiq::runtime {

namespace {

constexpr std::uint64_t kPageBytes = 4096;

[[noreturn]] void refuse(std::uint64_t bytes, std::string_view what, const std::string& reason) {
  throw OutOfHostMemory("[host memory] " + reason + " " + size_text(bytes) + " for " + std::string(what) +
                        "; lower --host-memory");
}

/// The bytes of a mapped pinned buffer. Throws DeviceError.
std::byte* map_for_life(Device& device, cl_mem memory, std::uint64_t bytes) {
  cl_int code = CL_SUCCESS;
  void* data = clEnqueueMapBuffer(device.map_queue(), memory, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes,
                                  0, nullptr, nullptr, &code);
  check(code, "clEnqueueMapBuffer");
  return static_cast<std::byte*>(data);
}

}  // namespace

PinnedBuffer::PinnedBuffer(Device& device, std::uint64_t bytes, std::string_view what) {
  if (bytes == 0) return;
  device.host_budget().acquire(bytes, what);
  // From here on reset() gives everything back.
  device_ = &device;
  bytes_ = bytes;
  try {
    if (device.info().shares_host_memory) {
      data_ = static_cast<std::byte*>(
          std::aligned_alloc(kPageBytes, (bytes + kPageBytes - 1) / kPageBytes * kPageBytes));
      if (data_ == nullptr) refuse(bytes, what, "the system refused");
    } else {
      cl_int code = CL_SUCCESS;
      handle_ = clCreateBuffer(device.cl_context(), CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, nullptr,
                               &code);
      if (code != CL_SUCCESS)
        refuse(bytes, what, "the driver refused with " + std::string(error_name(code)) + " pinned memory of");
      data_ = map_for_life(device, static_cast<cl_mem>(handle_), bytes);
    }
  } catch (...) {
    reset();
    throw;
  }
}

PinnedBuffer::~PinnedBuffer() { reset(); }

PinnedBuffer::PinnedBuffer(PinnedBuffer&& other) noexcept
    : device_(std::exchange(other.device_, nullptr)),
      handle_(std::exchange(other.handle_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
  if (this != &other) {
    reset();
    device_ = std::exchange(other.device_, nullptr);
    handle_ = std::exchange(other.handle_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void PinnedBuffer::reset() noexcept {
  if (device_ == nullptr) return;
  if (handle_ != nullptr) {
    const auto memory = static_cast<cl_mem>(handle_);
    if (data_ != nullptr) {
      clEnqueueUnmapMemObject(device_->map_queue(), memory, data_, 0, nullptr, nullptr);
      clFinish(device_->map_queue());
    }
    clReleaseMemObject(memory);
  } else {
    std::free(data_);
  }
  device_->host_budget().release(bytes_);
  device_ = nullptr;
  handle_ = nullptr;
  data_ = nullptr;
  bytes_ = 0;
}

}  // namespace apiq::runtime
