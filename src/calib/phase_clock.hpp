// Seconds of the phases of a block. A phase ends when the device has finished it.
#pragma once
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apiq/phase.hpp"
#include "runtime/queue.hpp"
#include "util/trace.hpp"

namespace apiq::calib {

class PhaseClock {
 public:
  /// With a trace, the phases name the spans of its compute lane: "block 3 train".
  explicit PhaseClock(runtime::Queue& queue, Trace* trace = nullptr, std::string prefix = {})
      : queue_(queue), trace_(trace), prefix_(std::move(prefix)) {}

  /// Ends the phase before, if any, and begins this one.
  void begin(Phase phase) {
    end();
    current_ = phase;
    if (trace_ != nullptr) trace_->label(prefix_ + std::string(name_of(phase)));
    begin_ = Clock::now();
  }
  void end() {
    if (!current_) return;
    queue_.finish();
    auto& total = seconds_[static_cast<std::size_t>(*std::exchange(current_, std::nullopt))];
    total = total.value_or(0) + std::chrono::duration<double>(Clock::now() - begin_).count();
  }
  /// Those that were begun, in the order of Phase.
  std::vector<std::pair<Phase, double>> phases() const {
    std::vector<std::pair<Phase, double>> out;
    for (std::size_t i = 0; i < seconds_.size(); ++i)
      if (seconds_[i]) out.emplace_back(static_cast<Phase>(i), *seconds_[i]);
    return out;
  }

 private:
  using Clock = std::chrono::steady_clock;
  runtime::Queue& queue_;
  Trace* trace_;
  std::string prefix_;
  std::optional<Phase> current_;
  Clock::time_point begin_;
  std::array<std::optional<double>, kPhaseNames.size()> seconds_;
};

}  // namespace apiq::calib
