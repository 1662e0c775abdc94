#include "apiq/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace apiq {

namespace {

/// The shortest text that reads back as the same float: 0.1, not 0.10000000149.
std::string number_text(double value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), static_cast<float>(value)).ptr;
  return {text.data(), end};
}

}  // namespace

bool Range::contains(double value) const {
  if (!among.empty())
    return std::any_of(among.begin(), among.end(), [&](std::uint32_t legal) { return value == legal; });
  return std::isfinite(value) && (above_least ? value > least : value >= least) && value <= most;
}

std::string Range::text() const {
  if (!among.empty()) {
    std::string out;
    for (std::size_t i = 0; i < among.size(); ++i)
      out += (i == 0 ? "" : i + 1 == among.size() ? " or " : ", ") + std::to_string(among[i]);
    return out;
  }
  if (std::isfinite(most))
    return above_least ? "a number above " + number_text(least) + ", at most " + number_text(most)
                       : number_text(least) + " to " + number_text(most);
  return above_least ? "a number above " + number_text(least) : number_text(least) + " or more";
}

std::string Field::json_key() const {
  std::string out(key.empty() ? name : key);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

void check_number(const Field& field, double value) {
  if (!field.range.contains(value))
    throw InvalidArgument("[--" + std::string(field.name) + "] expected " + field.range.text() + ", found " +
                          number_text(value));
}

}  // namespace apiq
