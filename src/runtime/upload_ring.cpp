#include "runtime/upload_ring.hpp"

#include <algorithm>

namespace apiq::runtime {

UploadRing::UploadRing(Device& device, std::uint32_t slots, std::uint64_t slot_bytes, std::string_view what,
                       Trace* trace)
    : queue_(device, what, trace) {
  for (std::uint32_t i = 0; i < slots; ++i) slots_.push_back({PinnedBuffer(device, slot_bytes, what), {}});
}

Event UploadRing::upload(const TensorView& to, std::span<const Event> after, const Fill& fill) {
  const std::uint64_t element = size_of(to.dtype), total = to.bytes();
  Event last;
  for (std::uint64_t offset = 0; offset < total;) {
    Slot& slot = slots_[next_++ % slots_.size()];
    slot.copied.wait();
    const std::uint64_t count = std::min<std::uint64_t>(slot.memory.bytes().size(), total - offset);
    fill(offset, slot.memory.bytes().first(count));
    const TensorView part{to.memory, to.offset + offset / element, to.dtype, {count / element}};
    last = slot.copied = queue_.write(part, slot.memory.data(), after);
    offset += count;
  }
  return last;
}

}  // namespace apiq::runtime
