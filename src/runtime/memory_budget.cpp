#include "runtime/memory_budget.hpp"

#include <algorithm>
#include <string>

#include "apiq/error.hpp"
#include "util/text.hpp"

namespace apiq::runtime {

void MemoryBudget::acquire(std::uint64_t bytes, std::string_view what) {
  const std::lock_guard lock(mutex_);
  if (in_use_ > limit_ || bytes > limit_ - in_use_) {
    const bool device = kind_ == MemoryKind::device;
    const std::string text = std::string(device ? "[device memory] " : "[host memory] ") + std::string(what) +
                             " needs " + size_text(bytes) + ", " + size_text(in_use_) + " of the budget of " +
                             size_text(limit_) + " are in use; raise " +
                             (device ? "--device-memory" : "--host-memory") + " to at least " +
                             size_text(in_use_ + bytes);
    if (device) throw OutOfDeviceMemory(text);
    throw OutOfHostMemory(text);
  }
  in_use_ += bytes;
  peak_ = std::max(peak_, in_use_);
}

void MemoryBudget::release(std::uint64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  in_use_ -= bytes;
}

void MemoryBudget::set_limit(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
}

std::uint64_t MemoryBudget::limit_bytes() const {
  const std::lock_guard lock(mutex_);
  return limit_;
}

std::uint64_t MemoryBudget::in_use_bytes() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}

std::uint64_t MemoryBudget::available_bytes() const {
  const std::lock_guard lock(mutex_);
  return limit_ > in_use_ ? limit_ - in_use_ : 0;
}

std::uint64_t MemoryBudget::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

}  // namespace apiq::runtime
