#include "report/plot/markup.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "util/utf8.hpp"

namespace apiq::plot {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '&': out += "&amp;"; return;
    case '<': out += "&lt;"; return;
    case '>': out += "&gt;"; return;
    case '"': out += "&quot;"; return;
    case '\'': out += "&#39;"; return;
    default: break;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x20 || c == '\n' || c == '\t') out += c;
  else out += kReplacement;
}

/// "1e-05" -> "1e-5", "2e+06" -> "2e6".
std::string short_exponent(std::string text) {
  const std::size_t e = text.find('e');
  if (e == std::string::npos) return text;
  std::string digits = text.substr(e + 2);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return text.substr(0, e + 1) + (text[e + 1] == '-' ? "-" : "") + digits;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t bytes = utf8_character_bytes(text);
    const std::string_view character = text.substr(0, bytes ? bytes : 1);
    // U+FFFE and U+FFFF are characters of UTF-8 but not of XML.
    if (bytes == 1) append_ascii(out, text[0]);
    else if (bytes == 0 || character == "\xef\xbf\xbe" || character == "\xef\xbf\xbf") out += kReplacement;
    else out += character;
    text.remove_prefix(character.size());
  }
  return out;
}

std::string number(double value, int digits) {
  if (!std::isfinite(value)) return "-";
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits).ptr;
  return short_exponent({text, end});
}

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  char text[400];  // the largest double has 309 digits
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, decimals).ptr;
  return {text, end};
}

std::string pixels(double value) {
  if (!std::isfinite(value)) return "0";
  const double rounded = std::round(std::fmin(std::fmax(value, -1e6), 1e6) * 100) / 100;
  char text[64];
  const auto end =
      std::to_chars(text, text + sizeof text, rounded == 0 ? 0.0 : rounded, std::chars_format::fixed)
          .ptr;  // no "-0"
  return {text, end};
}

}  // namespace apiq::plot
