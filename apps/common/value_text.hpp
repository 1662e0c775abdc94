// Option values from text and back, by the type of the field: strict, whole word or nothing. set_value throws
// UsageError saying what was expected.
#pragma once
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "apiq/fields.hpp"
#include "apiq/module_override.hpp"

namespace apiq::apps {

/// The command line cannot be carried out as written: one line, exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// "8GiB", "10min" as a number of bytes or seconds.
std::uint64_t parse_bytes(const std::string& text);
double parse_seconds(const std::string& text);

/// "q_proj,v_proj"; empty parts are refused.
std::vector<std::string> split_names(const std::string& text);

template <class T>
T parse_number(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value - value == T{})  // finite
    return value;
  throw UsageError(
      std::string(std::is_floating_point_v<T> ? "expected a number" : "expected a whole number, 0 or more") +
      ", found '" + text + "'");
}

template <class T>
inline constexpr bool kIsNumber = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

template <class T>
T number_of(const std::string& text, const Field& field) {
  if (!field.zero_word.empty() && text == field.zero_word) return T{};
  const T value = field.unit == Unit::bytes     ? static_cast<T>(parse_bytes(text))
                  : field.unit == Unit::seconds ? static_cast<T>(parse_seconds(text))
                                                : parse_number<T>(text);
  if (!field.zero_word.empty() && value == T{})
    throw UsageError("expected a number above 0 or '" + std::string(field.zero_word) + "', found '" + text +
                     "'");
  if (!field.range.contains(static_cast<double>(value)))
    throw UsageError("expected " + field.range.text() + ", found '" + text + "'");
  return value;
}

template <NamedEnum E>
std::vector<std::string> names_of_all() {
  const auto names = names_of(E{});
  return {names.begin(), names.end()};
}

/// "a, b or c"
std::string alternatives(const std::vector<std::string>& names, const std::string& last = " or ");

template <NamedEnum E>
E choice_of(const std::string& text) {
  const std::vector<std::string> names = names_of_all<E>();
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return static_cast<E>(i);
  throw UsageError("expected " + alternatives(names) + ", found '" + text + "'");
}

inline bool switch_of(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  throw UsageError("expected true or false, found '" + text + "'");  // only a file can say so
}

inline std::filesystem::path path_of(const std::string& text) {
  if (text.empty()) throw UsageError("expected a path, found an empty text");
  return text;
}

/// A list grows by every value it is given.
template <class T>
void set_value(T& target, const std::string& text, const Field& field) {
  if constexpr (kIsOpen<T>) {
    typename T::Value value{};
    set_value(value, text, field);
    target = value;
  } else if constexpr (std::is_same_v<T, bool>) {
    target = switch_of(text);
  } else if constexpr (kIsNumber<T>) {
    target = number_of<T>(text, field);
  } else if constexpr (NamedEnum<T>) {
    target = choice_of<T>(text);
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    target = path_of(text);
  } else if constexpr (std::is_same_v<T, std::vector<std::filesystem::path>>) {
    target.push_back(path_of(text));
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    for (std::string& name : split_names(text)) target.push_back(std::move(name));
  } else if constexpr (std::is_same_v<T, std::vector<ModuleOverride>>) {
    target.push_back(parse_override(text));
  } else {
    static_assert(std::is_same_v<T, std::string>);
    target = text;
  }
}

/// The value as it would be typed; empty if there is none.
template <class T>
std::string value_text(const T& value, const Field& field) {
  if constexpr (kIsNumber<T>) {
    if (value == T{} && !field.zero_word.empty()) return std::string(field.zero_word);
    char text[32];
    const auto result =
        std::to_chars(text, text + sizeof text, value);  // shortest form that reads back the same
    return {text, result.ptr};
  } else if constexpr (NamedEnum<T>) {
    return std::string(name_of(value));
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return value.string();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value;
  } else {
    return {};
  }
}

/// Names of types in --describe.
template <class T>
std::string type_name(const Field& field) {
  if constexpr (kIsOpen<T>) return type_name<typename T::Value>(field);
  else if constexpr (std::is_same_v<T, bool>) return "switch";
  else if constexpr (NamedEnum<T>) return "choice";
  else if constexpr (kIsNumber<T>)
    return field.unit == Unit::bytes     ? "size"
           : field.unit == Unit::seconds ? "duration"
           : std::is_floating_point_v<T> ? "number"
                                         : "integer";
  else if constexpr (std::is_same_v<T, std::vector<std::string>>) return "names";
  else if constexpr (std::is_same_v<T, std::vector<ModuleOverride>>) return "override";
  else return std::is_same_v<T, std::string> ? "text" : "path";
}

template <class T>
std::vector<std::string> choices_of(const Field& field) {
  if constexpr (kIsOpen<T>) return choices_of<typename T::Value>(field);
  else if constexpr (NamedEnum<T>) return names_of_all<T>();
  std::vector<std::string> out;
  for (const std::uint32_t number : field.range.among) out.push_back(std::to_string(number));
  return out;
}

}  // namespace apiq::apps
