// A point in the work of a queue that the host or another queue can wait for.
#pragma once
#include <utility>

struct _cl_event;

namespace apiq::runtime {

/// Shared handle of an OpenCL event; an empty one counts as long past. Any thread.
class Event {
 public:
  Event() = default;
  /// Takes ownership.
  explicit Event(_cl_event* event) : event_(event) {}
  ~Event();
  Event(const Event& other);
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }

  /// Blocks the calling thread. Throws DeviceError if the work failed.
  void wait() const;
  /// Throws DeviceError if the work failed.
  bool done() const;

  _cl_event* handle() const { return event_; }  // nullptr if empty

 private:
  _cl_event* event_ = nullptr;
};

}  // namespace apiq::runtime
