// Accounting of memory: every device buffer, and every pinned host buffer, takes its bytes from a budget
// before it asks the system.
#pragma once
#include <cstdint>
#include <mutex>
#include <string_view>

namespace apiq::runtime {

enum class MemoryKind { device, host };

/// Safe to use from several threads.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit_bytes, MemoryKind kind = MemoryKind::device)
      : kind_(kind), limit_(limit_bytes) {}

  /// Throws OutOfDeviceMemory or OutOfHostMemory (what was asked, in use, limit) instead of passing the
  /// limit.
  void acquire(std::uint64_t bytes, std::string_view what);
  void release(std::uint64_t bytes) noexcept;
  /// What is in use already stays in use, even if it is above the new limit.
  void set_limit(std::uint64_t bytes);

  std::uint64_t limit_bytes() const;
  std::uint64_t in_use_bytes() const;
  std::uint64_t available_bytes() const;
  std::uint64_t peak_bytes() const;

 private:
  mutable std::mutex mutex_;
  MemoryKind kind_;
  std::uint64_t limit_, in_use_ = 0, peak_ = 0;
};

}  // namespace apiq::runtime
