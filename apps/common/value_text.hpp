// Option values from text and back: strict, whole word or nothing. parse_value throws UsageError saying what
// was expected.
#pragma once
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

namespace apiq::apps {

/// The command line cannot be carried out as written: one line, exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class T>
requires std::is_arithmetic_v<T>
void parse_value(const std::string& text, T& target) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value == value &&
      value - value == T{}) {  // finite
    target = value;
    return;
  }
  throw UsageError(
      std::string(std::is_floating_point_v<T> ? "expected a number" : "expected a whole number, 0 or more") +
      ", found '" + text + "'");
}

inline void parse_value(const std::string& text, std::string& target) { target = text; }
inline void parse_value(const std::string& text, std::filesystem::path& target) {
  if (text.empty()) throw UsageError("expected a path, found an empty text");
  target = text;
}

template <class T>
void parse_value(const std::string& text, std::optional<T>& target) {
  T value{};
  parse_value(text, value);
  target = value;
}

/// What --help shows as the default; empty shows none.
inline std::string default_text(const std::string& value) { return value; }
inline std::string default_text(const std::filesystem::path& value) { return value.string(); }
template <class T>
std::string default_text(const std::optional<T>&) {
  return {};
}
template <class T>
requires std::is_arithmetic_v<T> std::string default_text(T value) {
  char text[32];
  const auto result =
      std::to_chars(text, text + sizeof text, value);  // shortest form that reads back the same
  return {text, result.ptr};
}

}  // namespace apiq::apps
