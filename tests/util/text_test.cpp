#include "util/text.hpp"

#include <gtest/gtest.h>

#include "apiq/error.hpp"

namespace apiq {
namespace {

TEST(SizeText, UnitsStepBy1024) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(1024), "1.00 KiB");
  EXPECT_EQ(size_text(1536u * 1024), "1.50 MiB");
  EXPECT_EQ(size_text(std::uint64_t{5} << 40), "5120.00 GiB");
}

TEST(ParseSize, AcceptsBytesAndBinaryUnits) {
  EXPECT_EQ(parse_size("4096"), 4096u);
  EXPECT_EQ(parse_size("12B"), 12u);
  EXPECT_EQ(parse_size("512 MiB"), std::uint64_t{512} << 20);
  EXPECT_EQ(parse_size("1.5GiB"), std::uint64_t{3} << 29);
  EXPECT_EQ(parse_size("8GiB"), std::uint64_t{8} << 30);
}

TEST(ParseSize, RefusesWhatItWouldHaveToGuess) {
  for (const char* text : {"", "GiB", "-1", "8GB", "8gib", "8GiB!", "nan", "inf", "1e30GiB", "0x10"})
    EXPECT_THROW(parse_size(text), InvalidArgument) << text;
}

TEST(Join, PutsSeparatorsBetween) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a"}, ", "), "a");
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
}

TEST(Excerpt, CutsAndEscapes) {
  EXPECT_EQ(excerpt("plain"), "plain");
  EXPECT_EQ(excerpt(std::string(100, 'x'), 3), "xxx...");
  EXPECT_EQ(excerpt(std::string_view("a\0\n\xc3", 4)), "a\\x00\\x0a\\xc3");
}

TEST(CommandText, QuotesWhatAShellWouldChange) {
  const char* words[] = {"apiq-eval", "--text", "a b.txt", "it's", "", "$HOME"};
  EXPECT_EQ(command_text(6, words), "apiq-eval --text 'a b.txt' 'it'\\''s' '' '$HOME'");
}

}  // namespace
}  // namespace apiq
