// What a run spent its time on, as lanes of spans over one clock, for chrome://tracing and ui.perfetto.dev.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace apiq {

/// Any thread. Whoever may be traced holds a Trace*, nullptr where no trace is wanted: then nothing is done
/// at all.
class Trace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Lane : std::uint8_t { compute, upload, download, disk_read, disk_write, host };
  static constexpr std::uint32_t kNoName = ~std::uint32_t{0};

  /// Keeps the first span_limit spans (24 bytes each) and as many names; the file says how many came after.
  explicit Trace(std::size_t span_limit = std::size_t{1} << 18) : span_limit_(span_limit) {}

  void span(Lane lane, std::string_view name, Time begin, Time end);
  void span(Lane lane, std::uint32_t name, Time begin, Time end);
  /// A number for a name; the same one for the same name.
  std::uint32_t name(std::string_view text);

  /// What the computation enqueued from now on belongs to: the name of its spans. Empty: none, kernels go by
  /// their own names.
  void label(std::string_view text);
  std::uint32_t current_label() const { return label_.load(std::memory_order_relaxed); }

  /// Times what happens while it lives.
  class Scope {
   public:
    Scope(Trace* trace, Lane lane, std::string_view name) : trace_(trace), lane_(lane) {
      if (trace_ == nullptr) return;
      name_ = trace_->name(name);
      begin_ = std::chrono::steady_clock::now();
    }
    ~Scope() {
      if (trace_ != nullptr) trace_->span(lane_, name_, begin_, std::chrono::steady_clock::now());
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Trace* trace_;
    Lane lane_;
    std::uint32_t name_ = kNoName;
    Time begin_;
  };

  /// Chrome trace JSON, replaced atomically; times in microseconds since this object was made. Throws
  /// IoError.
  void write(const std::filesystem::path& path) const;

 private:
  struct Span {
    Lane lane;
    std::uint32_t name;
    std::int64_t begin_ns, duration_ns;
  };
  std::uint32_t name_locked(std::string_view text);
  void span_locked(Lane lane, std::uint32_t name, Time begin, Time end);

  const std::size_t span_limit_;
  const Time origin_ = std::chrono::steady_clock::now();
  std::atomic<std::uint32_t> label_{kNoName};
  mutable std::mutex mutex_;  // of what follows
  std::vector<Span> spans_;
  std::uint64_t dropped_ = 0;
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t, std::less<>> name_index_;
};

}  // namespace apiq
