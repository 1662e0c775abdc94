#include "util/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/errors.hpp"

namespace apiq {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string refusal(std::string_view text, std::size_t limit = 1 << 20) {
  return test::error_text<FormatError>([&] { parse_json(text, "x.json", limit); });
}

TEST(ParseJson, Values) {
  EXPECT_EQ(parse_json(" {\"a\": [1, 2.5, null, \"\\u00e4\"]} \n", "x")["a"][3], "\xc3\xa4");
  EXPECT_EQ(parse_json("[{\"a\":1},{\"a\":2}]", "x").size(), 2u)
      << "the same key in two objects is no duplicate";
  EXPECT_EQ(parse_json("{\"a\":{\"a\":1}}", "x")["a"]["a"], 1);
}

TEST(ParseJson, ErrorsNameFileAndPosition) {
  EXPECT_THAT(refusal("{\"a\": }"), AllOf(HasSubstr("x.json"), HasSubstr("byte 7")));
  for (const char* text :
       {"", "{", "{\"a\":1", "[1,]", "{} {}", "{'a':1}", "nul", "\"\xff\"", "1e999", "NaN"})
    EXPECT_THAT(refusal(text), HasSubstr("x.json")) << text;
}

TEST(ParseJson, DuplicateKeysAtAnyDepth) {
  EXPECT_THAT(refusal("{\"a\":1,\"b\":2,\"a\":3}"), HasSubstr("'a' occurs twice"));
  EXPECT_THAT(refusal("{\"x\":[{\"k\":1,\"\\u006b\":2}]}"), HasSubstr("'k' occurs twice"))
      << "escapes spell the same key";
}

TEST(ParseJson, DepthAndSizeLimits) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(parse_json(nested(60), "x"));
  EXPECT_THAT(refusal(nested(70)), HasSubstr("nested"));
  EXPECT_THAT(refusal(std::string(1 << 20, '[')), HasSubstr("nested"));
  std::string objects;
  for (int i = 0; i < 1000; ++i) objects += "{\"a\":";
  EXPECT_THAT(refusal(objects), HasSubstr("nested"));
  EXPECT_THAT(refusal("[1,2,3]", 6), HasSubstr("at most 6 B"));
}

TEST(ParseJson, LongGarbageGivesAShortMessage) {
  EXPECT_LT(refusal("{\"" + std::string(500000, 'k') + "\n").size(), 300u);
}

}  // namespace
}  // namespace apiq
