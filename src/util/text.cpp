#include "util/text.hpp"

#include <array>
#include <charconv>
#include <cstdio>

#include "apiq/error.hpp"

namespace apiq {

std::string size_text(std::uint64_t bytes) {
  static constexpr std::array<const char*, 4> kUnits = {"B", "KiB", "MiB", "GiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char text[48];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.2f %s", value, kUnits[unit]);
  return text;
}

std::uint64_t parse_size(const std::string& text) {
  const auto refuse = [&]() -> std::uint64_t {
    throw InvalidArgument("[size] expected a number with KiB, MiB or GiB, such as 8GiB; found '" + text +
                          "'");
  };
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !(value >= 0)) return refuse();
  std::string_view unit = std::string_view(text).substr(static_cast<std::size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  double factor = 1;
  if (unit == "KiB") factor = 1024.0;
  else if (unit == "MiB") factor = 1024.0 * 1024;
  else if (unit == "GiB") factor = 1024.0 * 1024 * 1024;
  else if (!unit.empty() && unit != "B") return refuse();
  if (value * factor >= 9.2e18) return refuse();
  return static_cast<std::uint64_t>(value * factor);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const auto& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

std::string excerpt(std::string_view text, std::size_t limit) {
  std::string out;
  for (unsigned char c : text.substr(0, limit)) {
    if (c >= 0x20 && c < 0x7f) {
      out += static_cast<char>(c);
      continue;
    }
    static constexpr char kDigits[] = "0123456789abcdef";
    out += {'\\', 'x', kDigits[c >> 4], kDigits[c & 15]};
  }
  return text.size() > limit ? out + "..." : out;
}

std::string command_text(int argc, const char* const* argv) {
  std::string out;
  for (int i = 0; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (i) out += ' ';
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n'\"\\$`*?[](){}<>|&;#~!") == std::string_view::npos;
    if (plain) {
      out += word;
      continue;
    }
    out += '\'';
    for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

}  // namespace apiq
