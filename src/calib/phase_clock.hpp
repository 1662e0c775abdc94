// Seconds of the parts of a block, in order. A part ends when the device has finished it.
#pragma once
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "runtime/queue.hpp"
#include "util/trace.hpp"

namespace apiq::calib {

class PhaseClock {
 public:
  /// With a trace, the parts name the spans of its compute lane: "block 3 train".
  explicit PhaseClock(runtime::Queue& queue, Trace* trace = nullptr, std::string prefix = {})
      : queue_(queue), trace_(trace), prefix_(std::move(prefix)) {}

  /// Ends the part before, if any, and begins this one.
  void begin(std::string name) {
    end();
    name_ = std::move(name);
    if (trace_ != nullptr) trace_->label(prefix_ + name_);
    begin_ = Clock::now();
  }
  void end() {
    if (name_.empty()) return;
    queue_.finish();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    for (auto& [known, total] : phases_) {
      if (known != name_) continue;
      total += seconds;
      name_.clear();
      return;
    }
    phases_.emplace_back(std::exchange(name_, {}), seconds);
  }
  const std::vector<std::pair<std::string, double>>& phases() const { return phases_; }

 private:
  using Clock = std::chrono::steady_clock;
  runtime::Queue& queue_;
  Trace* trace_;
  std::string prefix_, name_;
  Clock::time_point begin_;
  std::vector<std::pair<std::string, double>> phases_;
};

}  // namespace apiq::calib
