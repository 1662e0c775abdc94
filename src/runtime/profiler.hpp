// Device time per kernel, from the queue's event timestamps.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

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

 private:
  void drain();
  bool enabled_;
  std::vector<std::pair<std::string, _cl_event*>> pending_;
  std::map<std::string, Row> totals_;
};

}  // namespace apiq::runtime
