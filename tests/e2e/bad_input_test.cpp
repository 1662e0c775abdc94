// Models, texts and options that do not fit each other: status 1 or 2 as the contract says, one line, no
// output file.
#include <cstring>
#include <functional>

#include "e2e/fixture.hpp"
#include "support/paths.hpp"

namespace apiq::testing {
namespace {

using ::testing::IsEmpty;

/// Quantizes a damaged copy of the model and expects status 1 with these texts.
void expect_refused(const std::function<void(const fs::path&)>& damage,
                    const std::vector<std::string>& texts) {
  const Folder folder, output;
  const fs::path model = copy_model(folder);
  damage(model);
  expect_failure(run("apiq-quantize", tiny_quantize(model, output / "out.h5")), 1, texts);
  EXPECT_THAT(output.names(), IsEmpty());
}

TEST(BadModel, TruncatedSafetensors) {
  expect_refused(
      [](const fs::path& model) {
        fs::resize_file(model / "model.safetensors", fs::file_size(model / "model.safetensors") - 1);
      },
      {"model.safetensors"});
  expect_refused([](const fs::path& model) { fs::resize_file(model / "model.safetensors", 4); },
                 {"model.safetensors"});
  expect_refused([](const fs::path& model) { fs::resize_file(model / "model.safetensors", 0); },
                 {"model.safetensors"});
}

TEST(BadModel, OversizedSafetensors) {
  expect_refused(
      [](const fs::path& model) {
        fs::resize_file(model / "model.safetensors", fs::file_size(model / "model.safetensors") + 1);
      },
      {"model.safetensors"});
}

TEST(BadModel, HeaderLengthBeyondTheFile) {
  expect_refused(
      [](const fs::path& model) {
        std::string bytes = read_bytes(model / "model.safetensors");
        std::memset(bytes.data(), 0xff, 8);
        write_bytes(model / "model.safetensors", bytes);
      },
      {"model.safetensors"});
}

TEST(BadModel, NotANumberInAWeight) {
  expect_refused(
      [](const fs::path& model) {
        std::string bytes = read_bytes(model / "model.safetensors");
        bytes[bytes.size() - 2] = '\x00';
        bytes[bytes.size() - 1] = '\x7e';  // binary16 NaN
        write_bytes(model / "model.safetensors", bytes);
      },
      {"NaN", "model.norm.weight"});
}

TEST(BadModel, VerifyFindsTheWeightThatIsNotANumber) {
  const Folder folder;
  const fs::path model = copy_model(folder);
  EXPECT_EQ(run("apiq-inspect", {"--quiet", model.string(), "--verify"}).status, 0);
  std::string bytes = read_bytes(model / "model.safetensors");
  bytes[bytes.size() - 1] = '\x7e';
  write_bytes(model / "model.safetensors", bytes);
  expect_failure(run("apiq-inspect", {"--quiet", model.string(), "--verify"}), 1,
                 {"NaN", "model.norm.weight"});
}

/// config.json with one key changed; null removes it.
std::function<void(const fs::path&)> with_config(const std::string& key, const nlohmann::json& value) {
  return [=](const fs::path& model) {
    auto config = nlohmann::json::parse(read_bytes(model / "config.json"));
    config[key] = value;
    if (value.is_null()) config.erase(key);
    write_bytes(model / "config.json", config.dump());
  };
}

TEST(BadModel, ConfigurationMissingMistypedOrAbsurd) {
  expect_refused([](const fs::path& model) { fs::remove(model / "config.json"); }, {"config.json"});
  expect_refused([](const fs::path& model) { write_bytes(model / "config.json", "{\"hidden_size\": 2"); },
                 {"config.json"});
  expect_refused(with_config("hidden_size", nullptr), {"config.json", "hidden_size"});
  expect_refused(with_config("hidden_size", "many"), {"config.json", "hidden_size"});
  expect_refused(with_config("num_hidden_layers", 4000000000u), {"config.json", "num_hidden_layers"});
  expect_refused(with_config("num_key_value_heads", 3), {"config.json", "num_key_value_heads"});
  expect_refused(with_config("hidden_act", "gelu"), {"config.json", "hidden_act", "silu"});
  expect_refused(with_config("architectures", nlohmann::json::array({"BertModel"})),
                 {"config.json", "BertModel", "LlamaForCausalLM"});
  expect_refused(with_config("num_hidden_layers", 7), {"model.layers.6"});
}

TEST(BadModel, TokenizerMissingOrOfAnotherSize) {
  expect_refused([](const fs::path& model) { fs::remove(model / "tokenizer.model"); }, {"tokenizer.model"});
  expect_refused([](const fs::path& model) { write_bytes(model / "tokenizer.model", "not a model"); },
                 {"tokenizer.model"});
}

TEST(BadModel, ThereIsNone) {
  const Folder folder;
  expect_failure(run("apiq-quantize", tiny_quantize("/no/such/model", folder / "out.h5")), 1,
                 {"/no/such/model"});
  expect_failure(run("apiq-inspect", {"/no/such/model"}), 1, {"/no/such/model"});
  expect_failure(run("apiq-generate", {"--quiet", "--model", "/no/such/model", "--prompt", "x"}), 1,
                 {"/no/such/model"});
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(BadOptions, RankAboveTheMatrix) {
  const Folder folder;
  const auto arguments =
      with(tiny_quantize(kModel, folder / "out.h5"), "--rank", "200");  // k_proj is 128 x 256
  expect_failure(run("apiq-quantize", arguments), 2, {"--rank", "200", "k_proj", "128"});
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(BadOptions, GroupSizeThatDoesNotDivideNamesThoseThatDo) {
  const fs::path model =
      fs::absolute(APIQ_SOURCE_DIR "/../shared/data/stories260k/hf");  // intermediate size 172
  if (!fs::exists(model)) GTEST_SKIP() << model << " is not there";
  const Folder folder;
  expect_failure(run("apiq-quantize", tiny_quantize(model, folder / "out.h5", {"--group-size", "32"})), 2,
                 {"down_proj", "172", "32", "43", "86"});
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(BadOptions, SequenceLongerThanTheModelTakes) {
  const Folder folder;
  const auto arguments = with(tiny_quantize(kModel, folder / "out.h5"), "--sequence-length", "513");
  expect_failure(run("apiq-quantize", arguments), 2, {"--sequence-length", "512", "513"});
  const std::string text = (kModel / "validation.txt").string();
  expect_failure(
      run("apiq-eval", {"--quiet", "--model", kModel.string(), "--text", text, "--sequence-length", "513"}),
      2, {"512", "513"});
  expect_failure(
      run("apiq-generate", {"--quiet", "--model", kModel.string(), "--prompt", "x", "--max-tokens", "600"}),
      2, {"512", "600"});
}

/// Calibrates on a text of these bytes.
Outcome calibrate_on(const Folder& folder, const std::string& name, const std::string& bytes) {
  write_bytes(folder / name, bytes);
  fs::create_directory(folder / "output");
  const auto arguments =
      with(tiny_quantize(kModel, folder / "output" / "out.h5"), "--calibration", (folder / name).string());
  return run("apiq-quantize", arguments);
}

/// ASCII as a Windows program saves it: UTF-16, little-endian, with a byte order mark.
std::string utf16(const std::string& ascii) {
  std::string out = "\xff\xfe";
  for (char c : ascii) out += {c, '\0'};
  return out;
}

TEST(BadText, EmptyTooShortMissingOrBroken) {
  struct Case {
    std::string name, bytes;
    int status;
    std::vector<std::string> texts;
  };
  const std::vector<Case> cases = {
      {"utf16.txt",
       utf16("It was the best of times, it was the worst of times. "),
       1,
       {"utf16.txt", "byte 0", "iconv -f UTF-16"}},
      {"nomark.txt",
       utf16("It was the best of times.").substr(2),
       1,
       {"nomark.txt", "byte 1", "iconv -f UTF-16LE"}},
      {"empty.txt", "", 1, {"empty.txt"}},
      {"short.txt", "A few words.", 2, {"32"}},
      {"latin1.txt", std::string(200, '\xe9'), 1, {"latin1.txt", "UTF-8", "byte 0", "iconv -f ISO-8859-1"}},
      {"bad.jsonl", "{\"text\": \"fine\"}\n{\"text\": \n", 1, {"bad.jsonl", "2"}},
      {"field.jsonl", "{\"body\": \"no text field\"}\n", 1, {"field.jsonl", "text"}},
      {"odd.u16", "123", 1, {"odd.u16"}},
      {"large.u16", std::string(400, '\xff'), 1, {"large.u16", "65535"}}};
  for (const Case& c : cases) {
    const Folder folder;
    expect_failure(calibrate_on(folder, c.name, c.bytes), c.status, c.texts);
    EXPECT_TRUE(fs::is_empty(folder / "output"));
  }
  const Folder folder;
  const auto arguments = with(tiny_quantize(kModel, folder / "out.h5"), "--calibration", "/no/such/text");
  expect_failure(run("apiq-quantize", arguments), 1, {"/no/such/text"});
  EXPECT_THAT(folder.names(), IsEmpty());
}

}  // namespace
}  // namespace apiq::testing
