// Host memory that the device copies from and to at full speed, and without the host waiting.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace apiq::runtime {

class Device;

/// Page-locked by the driver (CL_MEM_ALLOC_HOST_PTR, mapped as long as it lives) and accounted for in
/// Device::host_budget(); on devices that share the host's memory plain pages serve as well. Made and
/// destroyed on the thread that uses the Device; its bytes belong to any thread. Contents start undefined.
/// Transfers from or to it must have ended before it is destroyed. Must not outlive its Device.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  /// Throws OutOfHostMemory (budget or system); `what` names it in the text.
  PinnedBuffer(Device& device, std::uint64_t bytes, std::string_view what);
  ~PinnedBuffer();
  PinnedBuffer(PinnedBuffer&& other) noexcept;
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;

  std::byte* data() const { return data_; }
  std::span<std::byte> bytes() const { return {data_, bytes_}; }

 private:
  void reset() noexcept;
  Device* device_ = nullptr;
  void* handle_ = nullptr;  // cl_mem; nullptr for plain memory
  std::byte* data_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace apiq::runtime
