#include "tokenizer/token_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/errors.hpp"
#include "support/paths.hpp"
#include "support/temporary_folder.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Tokenizer tokenizer_of(const fs::path& folder, std::uint32_t vocab_size) {
  return Tokenizer::from_files({{"tokenizer.model", read_file(folder / "tokenizer.model")}}, vocab_size,
                               folder.string());
}

class TokenFile : public testing::Test {
 protected:
  std::vector<std::int32_t> load(const std::string& name, std::string_view bytes,
                                 const std::string& field = "text") const {
    return load_tokens(folder_.write(name, bytes), &tokenizer_, 4096, field);
  }
  std::string refusal(const std::string& name, std::string_view bytes) const {
    return test::error_text<FormatError>([&] { load(name, bytes); });
  }
  const test::TemporaryFolder folder_;
  const Tokenizer tokenizer_ = tokenizer_of(fs::path(APIQ_SOURCE_DIR) / "data/novels-6m", 4096);
};

TEST_F(TokenFile, RawIdsAreLittleEndian) {
  using namespace std::string_view_literals;
  EXPECT_THAT(load("a.u16", "\x01\x00\x02\x01\xff\x0f"sv), ElementsAre(1, 258, 4095));
  EXPECT_THAT(load("a.u32", "\x01\x00\x00\x00\x02\x01\x00\x00"sv), ElementsAre(1, 258));
  EXPECT_THAT(load_tokens(folder_.write("b.u16", "\xff\xff"sv), nullptr, 65536), ElementsAre(65535))
      << "needs no tokenizer";
}

TEST_F(TokenFile, RawIdsOutsideTheVocabulary) {
  using namespace std::string_view_literals;
  EXPECT_THAT(refusal("a.u16", "\x01\x00\x00\x10"sv),
              AllOf(HasSubstr("a.u16"), HasSubstr("token 1"), HasSubstr("4096, found 4096")));
  EXPECT_THAT(refusal("a.u32", "\xff\xff\xff\xff"sv), HasSubstr("found 4294967295"));
  EXPECT_THAT(refusal("a.u16", "abc"), HasSubstr("3 bytes are not whole"));
  EXPECT_THAT(refusal("a.u32", "abcdef"), HasSubstr("6 bytes are not whole"));
}

TEST_F(TokenFile, TextIsOneEncodeCall) {
  EXPECT_EQ(load("a.txt", "It was\n\nthe worst"), tokenizer_.encode("It was\n\nthe worst"));
  EXPECT_EQ(load("a", "It was"), tokenizer_.encode("It was"));
}

TEST_F(TokenFile, JsonLines) {
  const auto expected = tokenizer_.encode("It was\n\nthe \"worst\"");
  EXPECT_EQ(load("a.jsonl", "{\"text\":\"It was\"}\n{\"id\":3,\"text\":\"the \\\"worst\\\"\"}\n"), expected);
  EXPECT_EQ(load("a.jsonl", "{\"text\":\"It was\"}\r\n\n  \n{\"text\":\"the \\\"worst\\\"\"}"), expected)
      << "empty lines, no newline at the end";
  EXPECT_EQ(load("a.jsonl", "{\"story\":\"It was\"}", "story"), tokenizer_.encode("It was"));
}

TEST_F(TokenFile, BrokenJsonLinesNameTheLine) {
  EXPECT_THAT(refusal("a.jsonl", "{\"text\":\"a\"}\n\n{\"text\":"),
              AllOf(HasSubstr("a.jsonl"), HasSubstr("line 3"), HasSubstr("byte")));
  EXPECT_THAT(refusal("a.jsonl", "{\"text\":\"a\"}\n{\"body\":\"b\"}"),
              AllOf(HasSubstr("line 2"), HasSubstr("'text'")));
  EXPECT_THAT(refusal("a.jsonl", "{\"text\":1}"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("a.jsonl", "[\"text\"]"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("a.jsonl", "\n \n"), HasSubstr("expected text"));
}

TEST_F(TokenFile, EmptyMissingAndBinaryFiles) {
  for (const char* name : {"a.txt", "a.u16", "a.u32", "a.jsonl"})
    EXPECT_THAT(refusal(name, ""), AllOf(HasSubstr(name), HasSubstr("empty")));
  EXPECT_THAT(refusal("a.txt", "good \xc3("), HasSubstr("byte 5"));
  EXPECT_THROW(load_tokens(folder_.path() / "absent.txt", &tokenizer_, 4096), IoError);
  EXPECT_THROW(load_tokens(folder_.path(), &tokenizer_, 4096), IoError);
  EXPECT_THROW(load_tokens(folder_.write("b.txt", "x"), nullptr, 4096), Unsupported);
}

// A text in the wrong encoding costs hours of calibration before anybody sees that the model speaks rubbish.
TEST_F(TokenFile, OtherEncodingsAreNamedWithOffsetAndWayOut) {
  using namespace std::string_view_literals;
  struct Case {
    std::string_view bytes;
    const char *offset, *way_out;
  };
  const Case cases[] = {
      {"Caf\xe9, caf\xe9."sv, "\\xe9 at byte 3;", "iconv -f ISO-8859-1 -t UTF-8"},
      {"He said \x93no\x94."sv, "\\x93 at byte 8;", "iconv -f WINDOWS-1252 -t UTF-8"},
      {"\xff\xfe"
       "C\0a\0f\0\xe9\0"sv,
       "UTF-16 at byte 0;", "iconv -f UTF-16 -t UTF-8"},
      {"\xfe\xff\0C\0a\0f\0\xe9"sv, "UTF-16 at byte 0;", "iconv -f UTF-16 -t UTF-8"},
      {"\xff\xfe\0\0C\0\0\0a\0\0\0"sv, "UTF-32 at byte 0;", "iconv -f UTF-32 -t UTF-8"},
      {"C\0a\0f\0e\0"sv, "zero byte at byte 1;",
       "iconv -f UTF-16LE -t UTF-8"},  // without a mark, it is valid UTF-8
      {"\0C\0a\0f\0e"sv, "zero byte at byte 0;", "iconv -f UTF-16BE -t UTF-8"},
      {"C\0\0\0a\0\0\0f\0\0\0"sv, "zero byte at byte 1;", "iconv -f UTF-32LE -t UTF-8"},
      {"\0\0\0C\0\0\0a\0\0\0f"sv, "zero byte at byte 0;", "iconv -f UTF-32BE -t UTF-8"},
      {"A text of many words with one byte that is \0 in it, as a broken disk leaves it behind."sv,
       "zero byte at byte 43;", "iconv -f ENCODING"},
      {"It was caf\xc3"sv, "begins at byte 10;", "cut short"},
  };
  for (const Case& c : cases) {
    for (const char* name : {"a.txt", "a.jsonl"})
      EXPECT_THAT(refusal(name, c.bytes), AllOf(HasSubstr(std::string(name) + ": expected UTF-8"),
                                                HasSubstr(c.offset), HasSubstr(c.way_out)));
  }
  EXPECT_THAT(refusal("a.jsonl", "{\"text\": \"fine\"}\n{\"text\": \"caf\xe9\"}\n"), HasSubstr("at byte 30;"))
      << "of the file, not of the line";
}

TEST_F(TokenFile, AByteOrderMarkOfUtf8IsPassedOver) {
  EXPECT_EQ(load("a.txt", "\xef\xbb\xbfIt was"), tokenizer_.encode("It was"));
  EXPECT_EQ(load("a.jsonl", "\xef\xbb\xbf{\"text\": \"It was\"}"), tokenizer_.encode("It was"));
  EXPECT_NE(load("a.txt", "It \xef\xbb\xbfwas"), tokenizer_.encode("It was"))
      << "elsewhere it is a character";
  EXPECT_THAT(refusal("a.txt", "\xef\xbb\xbf"), HasSubstr("found none"));
}

TEST_F(TokenFile, TextOfManyKindsIsLeftAlone) {
  const std::string text =
      "\xe4\xb8\xad\xe6\x96\x87 \xd0\xb4\xd0\xb0 caf\xc3\xa9 \xf0\x9f\x98\x80 \xef\xbf\xbd\t\r\n\x01";
  EXPECT_EQ(load("a.txt", text), tokenizer_.encode(text));
}

// Ids that the reference implementation's calibration and evaluation files hold, made by the Python library
// from these texts.
TEST(ReferenceTokenFiles, AreWhatWeMakeOfTheirTexts) {
  const fs::path shared = fs::path(APIQ_SOURCE_DIR) / "../shared";
  if (!fs::exists(shared / "reference/stories3m_cal.u16"))
    GTEST_SKIP() << "the shared data folder is not there";
  struct Pair {
    const char *model, *ids, *text;
    std::uint32_t vocab_size;
  };
  for (const Pair& pair : {Pair{"stories260k", "stories260k_val.u16", "tinystories_val_a.txt", 512},
                           Pair{"stories3m_q80", "stories3m_val.u16", "tinystories_val_a.txt", 4096},
                           Pair{"stories3m_q80", "stories3m_cal.u16", "tinystories_train_head.txt", 4096}}) {
    const Tokenizer tokenizer = tokenizer_of(shared / "data" / pair.model / "hf", pair.vocab_size);
    const auto ids = load_tokens(shared / "reference" / pair.ids, nullptr, pair.vocab_size);
    auto ours = load_tokens(shared / "data/tinystories" / pair.text, &tokenizer, pair.vocab_size);
    ASSERT_GE(ours.size(), ids.size());
    ours.resize(ids.size());
    EXPECT_TRUE(ours == ids) << pair.ids;
  }
  EXPECT_EQ(load_tokens(shared / "reference/novels_cal.u16", nullptr, 4096).size(), 262144u);
}

}  // namespace
}  // namespace apiq
