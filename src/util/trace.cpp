#include "util/trace.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <nlohmann/json.hpp>

#include "apiq/error.hpp"
#include "util/atomic_file.hpp"

namespace apiq {

namespace {

constexpr const char* kLaneNames[] = {"compute", "upload", "download", "disk read", "disk write", "host"};
constexpr std::string_view kOtherName = "(other)";  // for names past the limit

std::int64_t ns(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::uint32_t Trace::name(std::string_view text) {
  const std::lock_guard lock(mutex_);
  return name_locked(text);
}

std::uint32_t Trace::name_locked(std::string_view text) {
  if (const auto found = name_index_.find(text); found != name_index_.end()) return found->second;
  if (names_.size() >= span_limit_ && text != kOtherName) return name_locked(kOtherName);
  names_.emplace_back(text);
  return name_index_[std::string(text)] = static_cast<std::uint32_t>(names_.size() - 1);
}

void Trace::span(Lane lane, std::string_view name, Time begin, Time end) {
  const std::lock_guard lock(mutex_);
  span_locked(lane, name_locked(name), begin, end);
}

void Trace::span(Lane lane, std::uint32_t name, Time begin, Time end) {
  const std::lock_guard lock(mutex_);
  span_locked(lane, name, begin, end);
}

void Trace::span_locked(Lane lane, std::uint32_t name, Time begin, Time end) {
  if (spans_.size() < span_limit_) spans_.push_back({lane, name, ns(begin - origin_), ns(end - begin)});
  else ++dropped_;
}

void Trace::label(std::string_view text) {
  label_.store(text.empty() ? kNoName : name(text), std::memory_order_relaxed);
}

void Trace::write(const std::filesystem::path& path) const {
  const std::lock_guard lock(mutex_);
  const std::filesystem::path temporary = temporary_name(path);
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file << "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"spans\":\"" << spans_.size()
       << "\",\"spans_dropped\":\"" << dropped_ << "\",\"span_limit\":\"" << span_limit_
       << "\"},\"traceEvents\":[\n";
  file << R"({"ph":"M","pid":1,"name":"process_name","args":{"name":"apiq"}})";
  for (std::size_t lane = 0; lane < std::size(kLaneNames); ++lane) {
    file << ",\n"
         << R"({"ph":"M","pid":1,"tid":)" << lane << R"(,"name":"thread_name","args":{"name":")"
         << kLaneNames[lane] << "\"}}";
    file << ",\n"
         << R"({"ph":"M","pid":1,"tid":)" << lane << R"(,"name":"thread_sort_index","args":{"sort_index":)"
         << lane << "}}";
  }
  file << std::fixed << std::setprecision(3);
  for (const Span& span : spans_)
    file << ",\n"
         << R"({"ph":"X","pid":1,"tid":)" << static_cast<int>(span.lane)
         << ",\"name\":" << quoted(names_[span.name])
         << ",\"ts\":" << static_cast<double>(span.begin_ns) * 1e-3
         << ",\"dur\":" << static_cast<double>(span.duration_ns) * 1e-3 << "}";
  file << "\n]}\n";
  file.close();
  if (!file) {
    const std::string reason = std::strerror(errno);
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw IoError(path.string() + ": cannot be written: " + reason);
  }
  commit_file(temporary, path);
}

}  // namespace apiq
