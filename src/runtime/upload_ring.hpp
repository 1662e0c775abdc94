// Streams bytes of any source (a file, usually) to the device through a few pinned slots: while one is
// filled, others are copied.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/pinned_buffer.hpp"
#include "runtime/transfer_queue.hpp"

namespace apiq::runtime {

/// Made on the thread that uses the Device, then used by one thread at a time, of its own if wanted.
class UploadRing {
 public:
  /// Writes the source's bytes from `offset` on into the slot; may throw.
  using Fill = std::function<void(std::uint64_t offset, std::span<std::byte> slot)>;

  /// slot_bytes: a multiple of 16. Takes slots * slot_bytes of the host budget.
  UploadRing(Device& device, std::uint32_t slots, std::uint64_t slot_bytes, std::string_view what,
             Trace* trace);

  /// The whole view, in order, after the given events. Returns the event of its last byte once every byte has
  /// been handed to the device's driver. What fill throws passes through; the view's contents are then
  /// undefined.
  Event upload(const TensorView& to, std::span<const Event> after, const Fill& fill);

  static std::uint64_t host_bytes(std::uint32_t slots, std::uint64_t slot_bytes) {
    return slots * slot_bytes;
  }

 private:
  struct Slot {
    PinnedBuffer memory;
    Event copied;
  };
  std::vector<Slot> slots_;
  std::size_t next_ = 0;
  TransferQueue queue_;  // last: its destructor waits for copies from the slots
};

}  // namespace apiq::runtime
