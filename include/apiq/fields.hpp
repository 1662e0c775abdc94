// What an options struct says of its fields. It lists each of them once:
//
//   template <class Visit>
//   static void fields(Visit&& visit) {
//     visit(&GridOptions::bits, Field{.name = "bits", .placeholder = "N", .help = "bits per code"});
//   }
//
// and from that follow command line, --help, --describe, configuration files, manifests, checks, recipes,
// JSON results and what makes two runs the same run.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "apiq/error.hpp"

namespace apiq {

/// A value that may be left open: then the recipe, or the model, decides. Open it reads as T{}: zero, the
/// first name of an enumeration.
template <class T>
class Open {
 public:
  using Value = T;
  Open() = default;
  Open(T value) : value_(value) {}
  operator T() const { return value_.value_or(T{}); }
  bool is_open() const { return !value_; }

 private:
  std::optional<T> value_;
};

template <class T>
inline constexpr bool kIsOpen = false;
template <class T>
inline constexpr bool kIsOpen<Open<T>> = true;

/// An enumeration says the names of its values, in their order, by a function names_of(E).
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires(E value) {
  names_of(value);
};
template <NamedEnum E>
constexpr std::string_view name_of(E value) {
  return names_of(value)[static_cast<std::size_t>(value)];
}

/// How a number is written: 8GiB, 10min.
enum class Unit { none, bytes, seconds };

/// Who is told the value: nobody, the JSON result, or also the checkpoint and the work directory, because it
/// determines the result (of files these know the content instead).
enum class Recorded { no, in_result, in_identity };

/// Legal numbers. Others are refused by command line and library alike.
struct Range {
  double least = 0, most = std::numeric_limits<double>::infinity();
  bool above_least = false;                   // `least` itself is not legal
  std::span<const std::uint32_t> among = {};  // only these; empty: all between least and most

  bool contains(double value) const;
  std::string text() const;  // "2, 3, 4 or 8", "a number above 0", "1 or more", "0 to 1"
};

struct Field {
  std::string_view name = {};         // "group-size", on the command line --group-size
  std::string_view placeholder = {};  // "N", "FILE.h5"; switches and enumerations need none
  std::string_view help = {};
  std::string_view group = {};          // title in --help
  std::string_view default_words = {};  // where the value alone does not say it: "the recipe's"
  Recorded recorded = Recorded::no;
  Range range = {};
  Unit unit = Unit::none;
  std::string_view zero_word = {};  // what 0 is called, and then 0 is not: "row"
  std::string_view key = {};        // in JSON, where it is not the name with underscores
  bool required = false;
  bool positional = false;  // an argument without a name; it is shown as the placeholder
  bool writes = false;      // names a file that the program writes at its end
  bool instead = false;     // a switch that asks for something else than the program's work

  std::string json_key() const;
};

/// Throws InvalidArgument for a number outside its range: option, what was expected, what was found.
void check_number(const Field& field, double value);

template <class T>
void check_value(const Field& field, const T& value) {
  if constexpr (kIsOpen<T>) {
    if (!value.is_open()) check_value(field, typename T::Value(value));
  } else if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    check_number(field, static_cast<double>(value));
  }
}

/// Throws InvalidArgument for the first number of `options` that is outside its range.
template <class T>
void check_fields(const T& options) {
  T::fields([&](auto member, const Field& field) { check_value(field, options.*member); });
}

/// What was left open is taken from `other`.
template <class T>
void fill_open(T& options, const T& other) {
  T::fields([&](auto member, const Field&) {
    if constexpr (kIsOpen<std::remove_cvref_t<decltype(options.*member)>>)
      if ((options.*member).is_open()) options.*member = other.*member;
  });
}

}  // namespace apiq
