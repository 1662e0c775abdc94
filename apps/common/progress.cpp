#include "common/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace apiq::apps {

namespace {

using namespace std::chrono_literals;
constexpr auto kBarInterval = 100ms;  // fast enough to look alive, slow enough to cost nothing
constexpr auto kLineInterval = 5s;    // in a log file every line stays
constexpr int kBarWidth = 24;

std::string rate_text(double per_second) {
  char text[32];
  std::snprintf(text, sizeof text, per_second < 10 ? "%.2f/s" : "%.0f/s", per_second);
  return text;
}

/// "  37%  12.4/s  ETA 1m05s  block 3/6 mlp.down_proj"
std::string status_text(const Progress& progress) {
  const double share =
      progress.total ? static_cast<double>(progress.done) / static_cast<double>(progress.total) : 0.0;
  char percent[16];
  std::snprintf(percent, sizeof percent, "%3.0f%%", 100 * std::clamp(share, 0.0, 1.0));
  std::string out = percent;
  if (progress.done && progress.seconds > 0) {
    const double rate = static_cast<double>(progress.done) / progress.seconds;
    out += "  " + rate_text(rate);
    if (progress.total > progress.done)
      out += "  ETA " + duration_text(static_cast<double>(progress.total - progress.done) / rate);
  }
  return out + "  " + progress.stage;
}

std::string bar_text(const Progress& progress) {
  const int filled =
      progress.total ? static_cast<int>(std::min(progress.done, progress.total) * kBarWidth / progress.total)
                     : 0;
  return "[" + std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "] " + status_text(progress);
}

std::size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::clamp(seconds, 0.0, 1e9) + 0.5);
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lldh%02lldm", whole / 3600, whole / 60 % 60);
  } else if (whole >= 60) {
    std::snprintf(text, sizeof text, "%lldm%02llds", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%llds", whole);
  }
  return text;
}

ProgressDisplay::ProgressDisplay(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {
  if (!terminal_)
    next_ = std::chrono::steady_clock::now() + kLineInterval;  // a short run needs no progress in its log
}

ProgressDisplay::~ProgressDisplay() { clear_bar(); }

void ProgressDisplay::clear_bar() {
  if (!bar_shown_) return;
  std::fputs("\r\033[K", stderr);
  bar_shown_ = false;
}

void ProgressDisplay::update(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (quiet_ || now < next_) return;
  next_ = now + (terminal_ ? std::chrono::steady_clock::duration(kBarInterval)
                           : std::chrono::steady_clock::duration(kLineInterval));
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", bar_text(progress).substr(0, terminal_columns() - 1).c_str());
    bar_shown_ = true;
  } else {
    std::fprintf(stderr, "%s\n", status_text(progress).c_str());
  }
}

void ProgressDisplay::message(const std::string& line) {
  if (quiet_) return;
  clear_bar();
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace apiq::apps
