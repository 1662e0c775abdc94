#include "runtime/pace.hpp"

#include <algorithm>
#include <utility>

namespace apiq::runtime {

namespace {
constexpr std::size_t kMostPieces = 256;
}

void Pace::step() {
  pieces_.push_back(queue_.mark());
  if (pieces_.size() <= allowed_) return;
  while (pieces_.size() > allowed_) {
    pieces_.front().wait();
    pieces_.pop_front();
  }
  adjust();
}

/// In a steady loop the time between two awaited pieces is what one takes: of the device, or of the host
/// where that is slower and nothing needs to be held back.
void Pace::adjust() {
  const auto now = std::chrono::steady_clock::now();
  const Duration piece = now - std::exchange(last_, now);
  if (2 * static_cast<double>(allowed_) * piece < ahead_) allowed_ = std::min(2 * allowed_, kMostPieces);
  else if (static_cast<double>(allowed_) * piece > 2 * ahead_)
    allowed_ = std::max<std::size_t>(allowed_ / 2, 1);
}

}  // namespace apiq::runtime
