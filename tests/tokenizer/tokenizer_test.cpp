// Ids against vectors written by others (llama.cpp, llama2.c) where the shared data folder is there; decoding
// against the sentencepiece library on random ids; streaming against decoding.
#include "tokenizer/tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "support/errors.hpp"
#include "support/paths.hpp"
#include "util/atomic_file.hpp"
#include "util/utf8.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Ids = std::vector<std::int32_t>;

const fs::path kNovels = fs::path(APIQ_SOURCE_DIR) / "data/novels-6m";
const fs::path kShared = fs::path(APIQ_SOURCE_DIR) / "../shared/data";

Tokenizer novels() {
  return Tokenizer::from_files({{"tokenizer.model", read_file(kNovels / "tokenizer.model")},
                                {"tokenizer_config.json", read_file(kNovels / "tokenizer_config.json")}},
                               4096, "novels-6m");
}

// --- ids
// --------------------------------------------------------------------------------------------------------------------------

TEST(Encode, NovelsIdsAsThePythonLibraryGivesThem) {
  const Tokenizer tokenizer = novels();
  EXPECT_EQ(tokenizer.size(), 4096u);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_THAT(tokenizer.encode("It was the best of times, it was the worst of times."),
              ElementsAre(1, 564, 315, 265, 1158, 285, 1768, 4056, 326, 315, 265, 3460, 285, 1768, 4059));
  EXPECT_THAT(tokenizer.encode("  two  spaces\nand a line", false),
              ElementsAre(4037, 4037, 719, 4037, 535, 1503, 13, 409, 261, 2330));
  EXPECT_THAT(tokenizer.encode("na\xc3\xafve \xe2\x80\x94", false),
              ElementsAre(297, 4040, 198, 178, 313, 4037, 229, 131, 151));
  EXPECT_THAT(tokenizer.encode(""), ElementsAre(1));
  EXPECT_THAT(tokenizer.encode("", false), IsEmpty());
  EXPECT_THAT(tokenizer.encode("</s>", false), ElementsAre(4037, 63, 50, 4045, 65))
      << "text cannot contain control tokens";
}

TEST(Encode, LlamaCppVectors) {
  const fs::path model = kShared / "tokenizers/llama2/tokenizer.model",
                 vectors = kShared / "tokenizer_vectors/ggml-vocab-llama-spm.gguf";
  if (!fs::exists(model) || !fs::exists(vectors.string() + ".inp"))
    GTEST_SKIP() << "the shared data folder is not there";
  const Tokenizer tokenizer = Tokenizer::from_files({{"tokenizer.model", read_file(model)}}, 32000, "llama2");
  const std::string inputs = read_file(vectors.string() + ".inp"), separator = "\n__ggml_vocab_test__\n";
  std::istringstream outputs(read_file(vectors.string() + ".out"));
  int cases = 0;
  for (std::size_t begin = 0; begin <= inputs.size(); ++cases) {
    const std::size_t end = std::min(inputs.find(separator, begin), inputs.size());
    const std::string text = inputs.substr(begin, end - begin);
    begin = end + separator.size();
    std::string line;
    std::getline(outputs, line);  // the last case is the empty text, whose empty line has no end
    std::istringstream numbers(line);
    const Ids expected{std::istream_iterator<std::int32_t>(numbers), {}};
    EXPECT_EQ(tokenizer.encode(text, false), expected) << text;
    EXPECT_EQ(tokenizer.decode(expected), text);
  }
  EXPECT_EQ(cases, 47);
}

TEST(Encode, Llama2cVectors) {
  const fs::path model = kShared / "tokenizers/llama2/tokenizer.model",
                 vectors = kShared / "tokenizer_vectors/llama2c_prompt_vectors.json";
  if (!fs::exists(model) || !fs::exists(vectors)) GTEST_SKIP() << "the shared data folder is not there";
  const Tokenizer tokenizer = Tokenizer::from_files({{"tokenizer.model", read_file(model)}}, 32000, "llama2");
  for (const auto& vector : nlohmann::json::parse(read_file(vectors)))
    EXPECT_EQ(tokenizer.encode(vector["prompt"].get<std::string>()), vector["tokens"].get<Ids>())
        << vector["prompt"];
}

TEST(Encode, RefusesTextThatIsNotUtf8) {
  EXPECT_THAT(test::error_text<FormatError>([] { novels().encode("ab\xff"); }), HasSubstr("byte 2"));
}

TEST(Encode, BosIsTheModelsChoice) {
  std::map<std::string, std::string> files = {{"tokenizer.model", read_file(kNovels / "tokenizer.model")}};
  const auto first = [&] { return Tokenizer::from_files(files, 4096, "m").encode("It").front(); };
  EXPECT_EQ(first(), 1) << "no tokenizer_config.json";
  files["tokenizer_config.json"] = "{}";
  EXPECT_EQ(first(), 1);
  files["tokenizer_config.json"] = R"({"add_bos_token":false})";
  EXPECT_EQ(first(), 564);
  files["tokenizer_config.json"] = R"({"add_bos_token":"yes"})";
  EXPECT_THROW(first(), FormatError);
}

// --- files
// ------------------------------------------------------------------------------------------------------------------------

TEST(FromFiles, SaysWhatIsMissingOrWrong) {
  const std::string model = read_file(kNovels / "tokenizer.model");
  const auto load = [](const std::map<std::string, std::string>& files, std::uint32_t vocab_size = 4096) {
    Tokenizer::from_files(files, vocab_size, "some/model");
  };
  EXPECT_THAT(test::error_text<FormatError>([&] { load({}); }),
              AllOf(HasSubstr("some/model"), HasSubstr("tokenizer.model")));
  EXPECT_THAT(test::error_text<Unsupported>([&] {
                load({{"tokenizer.json", "{}"}});
              }),
              AllOf(HasSubstr("some/model"), HasSubstr("supported: a SentencePiece")));
  EXPECT_THAT(test::error_text<FormatError>([&] {
                load({{"tokenizer.model", model}}, 4095);
              }),
              AllOf(HasSubstr("4096 pieces"), HasSubstr("vocab_size 4095")));
  EXPECT_NO_THROW(load({{"tokenizer.model", model}}, 5000)) << "padding rows";
  for (const std::string& bytes : {std::string(), std::string("IQ== 0\nIg== 1\n"), std::string(100, '\xff'),
                                   model.substr(0, model.size() / 2)})
    EXPECT_THAT(test::error_text<FormatError>([&] {
                  load({{"tokenizer.model", bytes}});
                }),
                HasSubstr("damaged"))
        << bytes.size();
}

// --- decoding
// ---------------------------------------------------------------------------------------------------------------------

std::string streamed(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDecoder decoder(tokenizer);
  std::string out;
  for (const std::int32_t id : ids) {
    const std::string piece = decoder.push(id);
    EXPECT_EQ(find_invalid_utf8(piece), std::string::npos) << "a part of a character was let out";
    out += piece;
  }
  return out + decoder.finish();
}

TEST(Decode, RandomIdsAsTheLibraryDecodesThem) {
  std::vector<std::string> models = {(kNovels / "tokenizer.model").string()};
  for (const char* shared : {"tokenizers/llama2/tokenizer.model", "tokenizers/mistral_v1/tokenizer.model",
                             "stories260k/hf/tokenizer.model"})
    if (fs::exists(kShared / shared)) models.push_back((kShared / shared).string());
  for (const std::string& model : models) {
    sentencepiece::SentencePieceProcessor oracle;
    ASSERT_TRUE(oracle.Load(model).ok());
    const int size = oracle.GetPieceSize();
    const Tokenizer tokenizer = Tokenizer::from_files({{"tokenizer.model", read_file(model)}},
                                                      static_cast<std::uint32_t>(size), model);
    // Low ids are control and byte tokens: drawn often, so that broken and whole characters, also at the
    // start, come up.
    std::mt19937 random(3);
    for (int round = 0; round < 3000; ++round) {
      Ids ids(random() % 12);
      for (auto& id : ids) {
        const auto kind = random() % 4;
        const auto mark = oracle.PieceToId("\xe2\x96\x81");
        id = kind == 0               ? static_cast<int>(random() % static_cast<unsigned>(size))
             : kind == 1 && mark > 0 ? mark
                                     : static_cast<int>(random() % 259);
      }
      ASSERT_EQ(tokenizer.decode(ids), oracle.DecodeIds(ids)) << model << ": " << testing::PrintToString(ids);
      ASSERT_EQ(streamed(tokenizer, ids), oracle.DecodeIds(ids))
          << model << ": " << testing::PrintToString(ids);
    }
  }
}

TEST(Decode, RoundTrips) {
  const Tokenizer tokenizer = novels();
  for (const char* text : {"Hello, world.", "  leading and trailing  ", "\ttabs\n\n\nlines\r\n",
                           "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\xf0\x9f\x98\x80!", "\xe2\x96\x81x"}) {
    const std::string expected =
        std::string_view(text) == "\xe2\x96\x81x" ? " x" : text;  // U+2581 is SentencePiece's own space
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), expected);
    EXPECT_EQ(streamed(tokenizer, tokenizer.encode(text)), expected);
  }
  const std::string book = read_file(kNovels / "validation.txt");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(book)), book);
}

TEST(Decode, IdsWithoutAPieceGiveNothing) {
  const Tokenizer tokenizer = novels();
  EXPECT_EQ(tokenizer.decode({-1, 4096, 2000000000, 1, 2}), "");
  EXPECT_EQ(tokenizer.decode({5000, 564, 5000, 315}), "It was");
}

TEST(StreamDecoder, HoldsBackUntilACharacterIsWhole) {
  const Tokenizer tokenizer = novels();
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(564), "It");
  EXPECT_EQ(decoder.push(315), " was") << "only the first word loses its space";
  const auto byte = [](int value) { return 3 + value; };  // byte pieces follow <unk>, <s>, </s>
  EXPECT_EQ(decoder.push(byte(0xf0)), "");
  EXPECT_EQ(decoder.push(byte(0x9f)), "");
  EXPECT_EQ(decoder.push(byte(0x98)), "");
  EXPECT_EQ(decoder.push(byte(0x80)), "\xf0\x9f\x98\x80");
  EXPECT_EQ(decoder.push(byte(0xe2)), "");
  EXPECT_EQ(decoder.push(315), "\xef\xbf\xbd was") << "what cannot be completed any more comes out as U+FFFD";
  EXPECT_EQ(decoder.push(byte(0xc3)), "");
  EXPECT_EQ(decoder.finish(), "\xef\xbf\xbd");
  EXPECT_EQ(decoder.push(315), "was") << "finish() makes it ready for a new text";
}

}  // namespace
}  // namespace apiq
