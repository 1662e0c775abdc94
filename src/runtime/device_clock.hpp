// When a command ran, on the host's clock: the timeline of a trace.
#pragma once
#include <chrono>
#include <cstdint>
#include <utility>

struct _cl_command_queue;
struct _cl_context;
struct _cl_event;

namespace apiq::runtime {

/// The distance between the clock of a device's event timestamps and the host's steady clock.
class DeviceClock {
 public:
  using HostTime = std::chrono::steady_clock::time_point;

  DeviceClock() = default;
  /// From one tiny command on a queue that has profiling enabled; waits for the queue. Exact to the time
  /// between a command's end and its host hearing of it (tens of microseconds). Throws DeviceError.
  static DeviceClock measure(_cl_context* context, _cl_command_queue* queue);

  /// Begin and end of a completed command; equal times if the driver does not tell.
  std::pair<HostTime, HostTime> times(_cl_event* event) const;

 private:
  std::int64_t offset_ns_ = 0;  // host - device
};

}  // namespace apiq::runtime
