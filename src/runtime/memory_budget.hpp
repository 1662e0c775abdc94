// Accounting of device memory: every buffer takes its bytes from here before it asks the driver.
#pragma once
#include <cstdint>
#include <string_view>

namespace apiq::runtime {

class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  /// Throws OutOfDeviceMemory (what was asked, in use, limit) instead of passing the limit.
  void acquire(std::uint64_t bytes, std::string_view what);
  void release(std::uint64_t bytes) noexcept { in_use_ -= bytes; }

  std::uint64_t limit_bytes() const { return limit_; }
  std::uint64_t in_use_bytes() const { return in_use_; }
  std::uint64_t available_bytes() const { return limit_ - in_use_; }
  std::uint64_t peak_bytes() const { return peak_; }

 private:
  std::uint64_t limit_, in_use_ = 0, peak_ = 0;
};

}  // namespace apiq::runtime
