// Waiting for a background thread, and how much of it was the device's time.
#pragma once
#include <chrono>
#include <future>

#include "runtime/queue.hpp"

namespace apiq::calib {

/// Waits until `done` is ready. Returns the seconds of this in which the queue had nothing left to do: the host runs ahead of the device, so
/// most waiting costs nothing.
inline double wait_while_idle(runtime::Queue& queue, const std::shared_future<void>& done) {
  using namespace std::chrono;
  if (done.wait_for(seconds(0)) == std::future_status::ready) return 0;
  const runtime::Event busy = queue.mark();
  // There is no way to wait for either of two such things; what is measured is exact to one step.
  while (!busy.done())
    if (done.wait_for(microseconds(500)) == std::future_status::ready) return 0;
  const auto begin = steady_clock::now();
  done.wait();
  return duration<double>(steady_clock::now() - begin).count();
}

}  // namespace apiq::calib
