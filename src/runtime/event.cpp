#include "runtime/event.hpp"

#include "runtime/opencl.hpp"

namespace apiq::runtime {

Event::~Event() {
  if (event_ != nullptr) clReleaseEvent(event_);
}

Event::Event(const Event& other) : event_(other.event_) {
  if (event_ != nullptr) clRetainEvent(event_);
}

void Event::wait() const {
  if (event_ != nullptr) check(clWaitForEvents(1, &event_), "clWaitForEvents");
}

bool Event::done() const {
  if (event_ == nullptr) return true;
  cl_int status = CL_QUEUED;
  check(clGetEventInfo(event_, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr),
        "clGetEventInfo");
  if (status < 0) check(status, "a command that was waited for");
  return status == CL_COMPLETE;
}

}  // namespace apiq::runtime
