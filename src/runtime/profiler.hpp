// Device time per kernel, from the queue's event timestamps, and the compute lane of a trace.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/device_clock.hpp"
#include "util/trace.hpp"

struct _cl_event;

namespace apiq::runtime {

class Profiler {
 public:
  explicit Profiler(bool enabled) : enabled_(enabled) {}
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  bool enabled() const { return enabled_; }
  /// Takes ownership of the event.
  void record(std::string_view name, _cl_event* event);

  struct Row {
    std::string name;
    std::uint64_t launches = 0;
    double milliseconds = 0;
  };
  /// Waits for what is pending; largest time first.
  std::vector<Row> rows();

  /// Kernels recorded from now on become spans of the compute lane, named by the trace's label at the time of
  /// record() (by the kernel while there is none); neighbours of one name with little between them become
  /// one. Waits for what is pending; nullptr ends it.
  void trace(Trace* trace, const DeviceClock& clock);

 private:
  struct Launch {
    std::string name;
    _cl_event* event;
    std::uint32_t label;
  };
  void drain();
  void add_to_trace(const Launch& launch);
  void end_span();
  bool enabled_;
  std::vector<Launch> pending_;
  std::map<std::string, Row> totals_;
  Trace* trace_ = nullptr;
  DeviceClock clock_;
  struct {
    std::uint32_t name = Trace::kNoName;
    DeviceClock::HostTime begin, end;
  } span_;  // grows until a kernel does not belong to it
};

}  // namespace apiq::runtime
