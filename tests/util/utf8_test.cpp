// Oracle: the table of well-formed byte sequences in the Unicode standard (table 3-7), written out as
// encode() of every code point.
#include "util/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace apiq {
namespace {

std::string encode(std::uint32_t c) {
  const auto byte = [](std::uint32_t b) { return static_cast<char>(b); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0 | c >> 6), byte(0x80 | (c & 63))};
  if (c < 0x10000) return {byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
  return {byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)),
          byte(0x80 | (c & 63))};
}

TEST(Utf8, EveryCodePoint) {
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    const std::string text = encode(c);
    const bool surrogate = c >= 0xd800 && c < 0xe000;
    ASSERT_EQ(utf8_character_bytes(text + "x"), surrogate ? 0 : text.size()) << c;
    if (surrogate) continue;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_TRUE(utf8_may_continue(text.substr(0, cut))) << c;
      ASSERT_EQ(utf8_character_bytes(text.substr(0, cut)), 0u) << c;
    }
    ASSERT_FALSE(utf8_may_continue(text)) << c;
  }
}

TEST(Utf8, IllFormed) {
  for (const char* text :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3(", "\xe2\x82("}) {
    EXPECT_EQ(utf8_character_bytes(text), 0u) << text;
    EXPECT_FALSE(utf8_may_continue(text)) << text;
    EXPECT_EQ(find_invalid_utf8(std::string("ab") + text), 2u) << text;
  }
}

TEST(Utf8, FindsTheFirstBadByte) {
  EXPECT_EQ(find_invalid_utf8(""), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("gr\xc3\xbc\xc3\x9f"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("gr\xc3\xbc\xc3"), 4u);  // a cut character at the end
  EXPECT_FALSE(utf8_may_continue(""));
}

}  // namespace
}  // namespace apiq
