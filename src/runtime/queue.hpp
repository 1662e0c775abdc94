// The in-order queue all work goes through, and the scratch memory that lives as long as one operation.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/buffer.hpp"
#include "runtime/device.hpp"
#include "runtime/event.hpp"
#include "runtime/profiler.hpp"
#include "runtime/workspace.hpp"

namespace apiq::runtime {

/// Work-items in total and per group; global is a multiple of local in every dimension.
struct Range {
  std::array<std::size_t, 3> global{1, 1, 1};
  std::array<std::size_t, 3> local{1, 1, 1};
};

/// One kernel argument: a by-value struct from cl/shared, or a tensor's buffer (its offset travels in the
/// struct).
class Arg {
 public:
  Arg(const TensorView& view)
      : memory_(view.memory) {}  // NOLINT: implicit by design, launch lists stay short
  Arg(const DeviceTensor& tensor) : memory_(tensor.view().memory) {}  // NOLINT
  template <class T>
  requires(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> && sizeof(T) % 4 == 0) static Arg
      value(const T& value) {
    return Arg(&value, sizeof(T));
  }
  /// An unused pointer argument. As a view without memory it arrives as some small buffer, never as null.
  static Arg none() { return Arg(TensorView{}); }

 private:
  friend class Queue;
  Arg(const void* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  void* memory_ = nullptr;
  const void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

class Queue {
 public:
  Queue(Device& device, bool profile);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Device& device() { return device_; }
  Workspace& workspace() { return workspace_; }
  Profiler& profiler() { return profiler_; }

  /// Tunables of a program on this device (see Tuning::values).
  Macros tuned(std::string_view program) const { return device_.tuning().values(program); }

  /// Enqueues kernel function `entry` of `program` built with meaning and tunables. Returns at once.
  /// Throws BuildError, DeviceError.
  void launch(std::string_view program, std::string_view entry, const Macros& macros, const Range& range,
              std::initializer_list<Arg> args);

  /// Copies host -> device. Returns when `data` may be reused.
  void write(const TensorView& view, const void* data);
  /// Copies device -> host, waiting for everything before it.
  void read(const TensorView& view, void* data);
  /// Starts a copy device -> host and returns at once: `data` must stay, and holds the values once the event
  /// is done.
  Event start_read(const TensorView& view, void* data);
  /// Copies between views of equal byte size.
  void copy(const TensorView& from, const TensorView& to);
  /// Sets every byte.
  void fill_zero(const TensorView& view);
  /// The point after everything enqueued so far, for other queues and the host to wait for. Enqueued; returns
  /// at once.
  Event mark();
  /// Everything enqueued from now on waits on the device until `event`; the host does not wait.
  void wait_for(const Event& event);
  /// From now on kernels show up in the compute lane; nullptr ends it (and waits for what is enqueued). The
  /// trace must live until then. Throws InvalidArgument on a queue without profiling.
  void trace(Trace* trace);

  /// Waits for everything enqueued. Only for timing and before exit: reads wait by themselves.
  void finish();

  void* handle() const;  // cl_command_queue, for CLBlast

 private:
  struct State;
  std::unique_ptr<State> state_;
  Device& device_;
  Profiler profiler_;
  Workspace workspace_;
};

/// Both macro lists in one, meaning first.
Macros operator+(Macros meaning, const Macros& tunables);

/// Rounds up to a multiple.
constexpr std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Reads a whole f32 or f16 tensor back as f32; for tests, results and small things. Throws ShapeError.
std::vector<float> read_floats(Queue& queue, const TensorView& view);

}  // namespace apiq::runtime
