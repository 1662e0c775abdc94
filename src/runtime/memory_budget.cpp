#include "runtime/memory_budget.hpp"

#include <algorithm>
#include <string>

#include "apiq/error.hpp"
#include "util/text.hpp"

namespace apiq::runtime {

void MemoryBudget::acquire(std::uint64_t bytes, std::string_view what) {
  if (bytes > available_bytes())
    throw OutOfDeviceMemory("[device memory] " + std::string(what) + " needs " + size_text(bytes) + ", " + size_text(in_use_) + " of the budget of " +
                            size_text(limit_) + " are in use; raise --device-memory to at least " + size_text(in_use_ + bytes));
  in_use_ += bytes;
  peak_ = std::max(peak_, in_use_);
}

}  // namespace apiq::runtime
