// Copies between host and device beside the computation: a second in-order queue of the device.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "runtime/buffer.hpp"
#include "runtime/event.hpp"
#include "util/trace.hpp"

namespace apiq::runtime {

/// Each copy waits on the device for the events it is given and for the copies of this queue before it, never
/// for other queues; use Queue::mark() and Queue::wait_for() to order it with the computation. Any thread.
/// Must not outlive its Device.
class TransferQueue {
 public:
  /// Copies show up in trace's upload and download lanes as `what`.
  TransferQueue(Device& device, std::string_view what, Trace* trace);
  /// Waits for every copy.
  ~TransferQueue();
  TransferQueue(const TransferQueue&) = delete;
  TransferQueue& operator=(const TransferQueue&) = delete;

  /// Copies host -> device; view.bytes() at `data` (a PinnedBuffer's, or the copy is slow) must stay
  /// unchanged until the event.
  Event write(const TensorView& view, const void* data, std::span<const Event> after = {});
  /// Copies device -> host; `data` holds the bytes from the event on.
  Event read(const TensorView& view, void* data, std::span<const Event> after = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace apiq::runtime
