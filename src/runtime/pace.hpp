// How far the host may run ahead of the device.
#pragma once
#include <chrono>
#include <deque>

#include "runtime/queue.hpp"

namespace apiq::runtime {

/// For loops that enqueue one piece of work after another and read nothing back for a long time. Without it
/// the queue of a slow device fills with minutes of work, which a request to stop then has to wait for. One
/// piece is always ahead, so that the device never waits for the host.
class Pace {
 public:
  using Duration = std::chrono::duration<double>;
  explicit Pace(Queue& queue, Duration ahead = std::chrono::seconds(1)) : queue_(queue), ahead_(ahead) {}

  /// After each piece. Waits until what is enqueued takes the device about as long as `ahead`, or is two
  /// pieces. Throws DeviceError if a piece has failed.
  void step();

 private:
  void adjust();

  Queue& queue_;
  const Duration ahead_;
  std::deque<Event> pieces_;  // the ends of those that may still run, oldest first
  std::size_t allowed_ = 1;   // unfinished pieces before the latest
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();  // a piece was awaited
};

}  // namespace apiq::runtime
