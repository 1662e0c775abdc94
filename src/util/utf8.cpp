#include "util/utf8.hpp"

#include <algorithm>

namespace apiq {

namespace {

struct Lead {
  std::size_t bytes;  // of the whole character; 0: no character begins like this
  unsigned char second_low,
      second_high;  // what the second byte may be: rules out overlong forms and surrogates
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

/// How many of the lead's bytes are there and right.
std::size_t matching_bytes(std::string_view text, const Lead& lead) {
  const std::size_t limit = std::min(lead.bytes, text.size());
  for (std::size_t i = 1; i < limit; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool fits = i == 1 ? byte >= lead.second_low && byte <= lead.second_high : (byte & 0xc0) == 0x80;
    if (!fits) return i;
  }
  return limit;
}

}  // namespace

std::size_t utf8_character_bytes(std::string_view text) {
  if (text.empty()) return 0;
  const Lead lead = lead_of(static_cast<unsigned char>(text[0]));
  return matching_bytes(text, lead) == lead.bytes ? lead.bytes : 0;
}

bool utf8_may_continue(std::string_view text) {
  if (text.empty()) return false;
  const Lead lead = lead_of(static_cast<unsigned char>(text[0]));
  return text.size() < lead.bytes && matching_bytes(text, lead) == text.size();
}

std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = utf8_character_bytes(text.substr(at));
    if (bytes == 0) return at;
    at += bytes;
  }
  return std::string_view::npos;
}

}  // namespace apiq
