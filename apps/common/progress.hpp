// Progress on standard error: a bar with rate and time left on a terminal, a plain line now and then
// otherwise.
#pragma once
#include <chrono>
#include <string>

#include "apiq/progress.hpp"

namespace apiq::apps {

class ProgressDisplay {
 public:
  explicit ProgressDisplay(bool quiet);
  ~ProgressDisplay();  // leaves a clean line
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void update(const Progress& progress);
  /// A line that stays, above the bar.
  void message(const std::string& line);

 private:
  void clear_bar();
  bool quiet_, terminal_, bar_shown_ = false;
  std::chrono::steady_clock::time_point next_{};
};

/// "1h02m", "3m20s", "12s"
std::string duration_text(double seconds);

}  // namespace apiq::apps
