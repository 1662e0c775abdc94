#include "runtime/device_clock.hpp"

#include "runtime/event.hpp"
#include "runtime/opencl.hpp"

namespace apiq::runtime {

namespace {

std::int64_t host_ns(DeviceClock::HostTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

DeviceClock DeviceClock::measure(_cl_context* context, _cl_command_queue* queue) {
  cl_int code = CL_SUCCESS;
  const cl::Buffer word(clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof(cl_uint), nullptr, &code));
  check(code, "clCreateBuffer");
  const cl_uint zero = 0;
  cl_event raw = nullptr;
  check(clEnqueueFillBuffer(queue, word(), &zero, sizeof zero, 0, sizeof zero, 0, nullptr, &raw),
        "clEnqueueFillBuffer");
  const Event event(raw);
  event.wait();
  const HostTime now = std::chrono::steady_clock::now();
  cl_ulong end = 0;
  check(clGetEventProfilingInfo(raw, CL_PROFILING_COMMAND_END, sizeof end, &end, nullptr),
        "clGetEventProfilingInfo");
  DeviceClock clock;
  clock.offset_ns_ = host_ns(now) - static_cast<std::int64_t>(end);
  return clock;
}

std::pair<DeviceClock::HostTime, DeviceClock::HostTime> DeviceClock::times(_cl_event* event) const {
  cl_ulong begin = 0, end = 0;
  clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof begin, &begin, nullptr);
  clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, nullptr);
  const auto at = [&](cl_ulong time) {
    return HostTime(std::chrono::nanoseconds(static_cast<std::int64_t>(time) + offset_ns_));
  };
  return {at(begin), at(end)};
}

}  // namespace apiq::runtime
