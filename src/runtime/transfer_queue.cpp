#include "runtime/transfer_queue.hpp"

#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/device.hpp"
#include "runtime/device_clock.hpp"
#include "runtime/opencl.hpp"

namespace apiq::runtime {

namespace {
constexpr std::size_t kPendingLimit = 256;  // traced copies whose times have not been read yet
}

struct TransferQueue::State {
  struct Copy {
    Event event;
    Trace::Lane lane;
  };
  cl::CommandQueue queue;
  std::string what;
  Trace* trace = nullptr;
  DeviceClock clock;
  std::mutex mutex;          // of what follows
  std::deque<Copy> pending;  // traced copies in order

  void record(const Event& event, Trace::Lane lane);
  void collect(std::size_t leave);
  Event finish_enqueue(cl_int code, cl_event event, const char* call, Trace::Lane lane);
};

void TransferQueue::State::record(const Event& event, Trace::Lane lane) {
  const std::lock_guard lock(mutex);
  pending.push_back({event, lane});
  if (pending.size() > kPendingLimit) collect(kPendingLimit / 2);
}

/// Moves the oldest copies into the trace. Waits for them.
void TransferQueue::State::collect(std::size_t leave) {
  for (; pending.size() > leave; pending.pop_front()) {
    const cl_event event = pending.front().event.handle();
    if (clWaitForEvents(1, &event) != CL_SUCCESS) continue;  // whoever needs the copy hears of it
    const auto [begin, end] = clock.times(event);
    trace->span(pending.front().lane, what, begin, end);
  }
}

Event TransferQueue::State::finish_enqueue(cl_int code, cl_event event, const char* call, Trace::Lane lane) {
  check(code, call);
  Event out(event);
  // Another queue may wait for this one at once: nothing may stay on the host.
  check(clFlush(queue()), "clFlush");
  if (trace != nullptr) record(out, lane);
  return out;
}

TransferQueue::TransferQueue(Device& device, std::string_view what, Trace* trace)
    : state_(std::make_unique<State>()) {
  cl_int code = CL_SUCCESS;
  state_->queue = cl::CommandQueue(clCreateCommandQueue(
      device.cl_context(), device.cl_device(), trace != nullptr ? CL_QUEUE_PROFILING_ENABLE : 0, &code));
  check(code, "clCreateCommandQueue");
  state_->what = what;
  state_->trace = trace;
  if (trace != nullptr) state_->clock = DeviceClock::measure(device.cl_context(), state_->queue());
}

TransferQueue::~TransferQueue() {
  clFinish(state_->queue());
  if (state_->trace != nullptr) state_->collect(0);
}

namespace {

std::vector<cl_event> handles_of(std::span<const Event> events) {
  std::vector<cl_event> out;
  for (const Event& event : events)
    if (event.handle() != nullptr) out.push_back(event.handle());
  return out;
}

}  // namespace

Event TransferQueue::write(const TensorView& view, const void* data, std::span<const Event> after) {
  if (view.bytes() == 0) return {};
  const std::vector<cl_event> events = handles_of(after);
  cl_event done = nullptr;
  const cl_int code = clEnqueueWriteBuffer(state_->queue(), static_cast<cl_mem>(view.memory), CL_FALSE,
                                           view.offset * size_of(view.dtype), view.bytes(), data,
                                           static_cast<cl_uint>(events.size()),
                                           events.empty() ? nullptr : events.data(), &done);
  return state_->finish_enqueue(code, done, "clEnqueueWriteBuffer", Trace::Lane::upload);
}

Event TransferQueue::read(const TensorView& view, void* data, std::span<const Event> after) {
  if (view.bytes() == 0) return {};
  const std::vector<cl_event> events = handles_of(after);
  cl_event done = nullptr;
  const cl_int code = clEnqueueReadBuffer(state_->queue(), static_cast<cl_mem>(view.memory), CL_FALSE,
                                          view.offset * size_of(view.dtype), view.bytes(), data,
                                          static_cast<cl_uint>(events.size()),
                                          events.empty() ? nullptr : events.data(), &done);
  return state_->finish_enqueue(code, done, "clEnqueueReadBuffer", Trace::Lane::download);
}

}  // namespace apiq::runtime
