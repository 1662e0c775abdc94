#include "io/model_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/errors.hpp"
#include "support/paths.hpp"
#include "support/safetensors_file.hpp"
#include "support/temporary_folder.hpp"
#include "util/sha256.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::safetensors_bytes;
using testing::AllOf;
using testing::HasSubstr;

/// A model small enough to write for every test, with the tensors of the table in Hugging Face's
/// modeling_llama.py spelt out.
class TinyModel : public testing::Test {
 protected:
  json config_ = {{"architectures", {"LlamaForCausalLM"}},
                  {"hidden_size", 8},
                  {"intermediate_size", 12},
                  {"num_hidden_layers", 1},
                  {"num_attention_heads", 4},
                  {"num_key_value_heads", 2},
                  {"head_dim", 4},
                  {"vocab_size", 10},
                  {"max_position_embeddings", 16},
                  {"rms_norm_eps", 1e-5},
                  {"eos_token_id", 2}};
  std::map<std::string, Shape> shapes_ = {
      {"model.embed_tokens.weight", {10, 8}},
      {"model.layers.0.input_layernorm.weight", {8}},
      {"model.layers.0.post_attention_layernorm.weight", {8}},
      {"model.layers.0.self_attn.q_proj.weight", {16, 8}},
      {"model.layers.0.self_attn.k_proj.weight", {8, 8}},
      {"model.layers.0.self_attn.v_proj.weight", {8, 8}},
      {"model.layers.0.self_attn.o_proj.weight", {8, 16}},
      {"model.layers.0.mlp.gate_proj.weight", {12, 8}},
      {"model.layers.0.mlp.up_proj.weight", {12, 8}},
      {"model.layers.0.mlp.down_proj.weight", {8, 12}},
      {"model.norm.weight", {8}},
      {"lm_head.weight", {10, 8}},
  };
  const test::TemporaryFolder folder_;

  ModelDirectory open() const {
    folder_.write("config.json", config_.dump());
    folder_.write("model.safetensors", safetensors_bytes(shapes_));
    return ModelDirectory::open(folder_.path());
  }
  template <typename E>
  std::string refusal() const {
    return test::error_text<E>([&] { open(); });
  }
};

TEST_F(TinyModel, Opens) {
  folder_.write("generation_config.json", R"({"eos_token_id":[3,4]})");
  folder_.write("tokenizer.model", "not looked into here");
  folder_.write("unrelated.txt", "x");
  const ModelDirectory model = open();
  EXPECT_EQ(model.folder(), folder_.path());
  EXPECT_EQ(model.config().eos_token_ids, (std::vector<std::int32_t>{3, 4}));
  EXPECT_EQ(model.tensors().tensors().size(), 12u);
  EXPECT_EQ(model.side_files().size(), 3u);
  EXPECT_EQ(model.side_files().at("tokenizer.model"), "not looked into here");
  const auto hashes = model.check_and_hash([] {});
  EXPECT_EQ(hashes.size(), 4u);
  EXPECT_EQ(hashes.at("tokenizer.model").size(), 64u);
  EXPECT_EQ(hashes.at("model.safetensors"), sha256_of_file(folder_.path() / "model.safetensors"));
}

TEST_F(TinyModel, OpensShards) {
  folder_.write("config.json", config_.dump());
  json map;
  std::map<std::string, Shape> halves[2];
  for (const auto& [name, shape] : shapes_) {
    const int shard = map.size() % 2;
    halves[shard][name] = shape;
    map[name] = shard ? "b.safetensors" : "a.safetensors";
  }
  folder_.write("a.safetensors", safetensors_bytes(halves[0]));
  folder_.write("b.safetensors", safetensors_bytes(halves[1]));
  folder_.write("model.safetensors.index.json", json{{"weight_map", map}}.dump());
  const ModelDirectory model = ModelDirectory::open(folder_.path());
  EXPECT_EQ(model.tensors().tensors().size(), 12u);
  const auto hashes = model.check_and_hash([] {});
  for (const char* name : {"a.safetensors", "b.safetensors", "model.safetensors.index.json", "config.json"})
    EXPECT_EQ(hashes.at(name), sha256_of_file(folder_.path() / name)) << name;
  EXPECT_THROW(model.check_and_hash([] { throw Interrupted("stop"); }), Interrupted);
}

TEST_F(TinyModel, EveryTensorIsNeeded) {
  const auto all = shapes_;
  for (const auto& [name, shape] : all) {
    shapes_ = all;
    shapes_.erase(name);
    EXPECT_THAT(refusal<FormatError>(), AllOf(HasSubstr("missing"), HasSubstr(name)));
  }
}

TEST_F(TinyModel, EveryShapeIsChecked) {
  const auto all = shapes_;
  for (const auto& [name, shape] : all) {
    shapes_ = all;
    shapes_[name] = shape.rank() == 1 ? Shape{9} : Shape{shape[1] + 1, shape[0]};
    EXPECT_THAT(refusal<FormatError>(), AllOf(HasSubstr(name), HasSubstr("expected shape " + shape.text()),
                                              HasSubstr("found " + shapes_[name].text())));
  }
}

TEST_F(TinyModel, UnknownTensorsAreRefusedOldBuffersAreNot) {
  shapes_["model.layers.0.self_attn.rotary_emb.inv_freq"] = {2};
  EXPECT_EQ(open().tensors().tensors().size(), 13u);
  shapes_["model.layers.0.self_attn.q_norm.weight"] = {4};
  EXPECT_THAT(refusal<Unsupported>(), HasSubstr("q_norm"));
  shapes_.erase("model.layers.0.self_attn.q_norm.weight");
  shapes_["model.layers.0.self_attn.q_proj.bias"] = {16};
  EXPECT_THAT(refusal<Unsupported>(), AllOf(HasSubstr("q_proj.bias"), HasSubstr("biases")));
  shapes_.erase("model.layers.0.self_attn.q_proj.bias");
  shapes_["model.layers.1.mlp.up_proj.weight"] = {12, 8};
  EXPECT_THAT(refusal<Unsupported>(), HasSubstr("layers.1")) << "a block more than config.json says";
}

TEST_F(TinyModel, TiedHead) {
  config_["tie_word_embeddings"] = true;
  EXPECT_NO_THROW(open()) << "a stored copy of the embedding does no harm";
  shapes_.erase("lm_head.weight");
  EXPECT_NO_THROW(open());
  shapes_["lm_head.weight"] = {10, 9};
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("tie_word_embeddings"));
  // Same shape, one other byte: the head is stored first, right behind the header.
  shapes_["lm_head.weight"] = {10, 8};
  std::string bytes = safetensors_bytes(shapes_);
  std::size_t header = 0;
  for (int i = 1; i >= 0; --i)
    header = header << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  bytes[8 + header] = 1;
  folder_.write("model.safetensors", bytes);
  EXPECT_THAT(test::error_text<FormatError>([&] { ModelDirectory::open(folder_.path()); }),
              HasSubstr("lm_head.weight differs"));
}

TEST_F(TinyModel, IntegerWeightsAreRefused) {
  open();
  std::string bytes = safetensors_bytes(shapes_);
  const std::string from = "\"model.norm.weight\":{\"dtype\":\"F16\",\"shape\":[8]";
  const std::size_t at = bytes.find(from);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, from.size(),
                "\"model.norm.weight\":{\"dtype\":\"U8\",\"shape\":[16]");  // as long as before
  folder_.write("model.safetensors", bytes);
  EXPECT_THAT(test::error_text<FormatError>([&] { ModelDirectory::open(folder_.path()); }),
              HasSubstr("model.norm.weight"));
}

TEST(ModelDirectory, FoldersThatAreNoModels) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(ModelDirectory::open(folder.path() / "absent"), IoError);
  EXPECT_THROW(ModelDirectory::open(folder.write("file", "x")), IoError);
  EXPECT_THAT(test::error_text<FormatError>([&] { ModelDirectory::open(folder.path()); }),
              HasSubstr("no config.json"));
  folder.write(
      "config.json",
      R"({"architectures":["LlamaForCausalLM"],"hidden_size":8,"intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":4,
    "vocab_size":10,"max_position_embeddings":16,"rms_norm_eps":1e-5})");
  EXPECT_THAT(test::error_text<FormatError>([&] { ModelDirectory::open(folder.path()); }),
              HasSubstr("model.safetensors.index.json"));
  folder.write("pytorch_model-00001-of-00002.bin", "PK");
  EXPECT_THAT(test::error_text<Unsupported>([&] { ModelDirectory::open(folder.path()); }),
              AllOf(HasSubstr("pytorch_model-00001"), HasSubstr("save_pretrained")));
}

// --- real models
// ------------------------------------------------------------------------------------------------------------------

TEST(RealModels, Novels6m) {
  const fs::path folder = fs::path(APIQ_SOURCE_DIR) / "data/novels-6m";
  const ModelDirectory model = ModelDirectory::open(folder);
  EXPECT_EQ(model.config().num_hidden_layers, 6u);
  EXPECT_EQ(model.config().head_dim, 32u);
  EXPECT_EQ(model.tensors().tensors().size(), 6u * 9 + 2);
  // Its README states 5.77 million parameters, and the sha256 of every file.
  std::uint64_t parameters = 0;
  for (const TensorInfo& info : model.tensors().tensors()) parameters += info.shape.elements();
  EXPECT_NEAR(static_cast<double>(parameters) / 1e6, 5.77, 0.005);
  std::stringstream readme;
  readme << std::ifstream(folder / "README.md").rdbuf();
  for (const auto& [name, hash] : model.check_and_hash([] {}))
    EXPECT_THAT(readme.str(), HasSubstr(hash + "  " + name));
  for (const TensorInfo& info : model.tensors().tensors()) {
    const std::vector<float> values = to_f32(info.dtype, model.tensors().bytes(info.name), info.name);
    EXPECT_EQ(values.size(), info.shape.elements());
    EXPECT_NO_THROW(check_finite(info, model.tensors().bytes(info.name)));
  }
}

TEST(RealModels, SharedOnes) {
  int opened = 0;
  for (const char* name : {"stories260k/hf", "stories3m_q80/hf"}) {
    const fs::path folder = fs::path(APIQ_SOURCE_DIR) / "../shared/data" / name;
    if (!fs::exists(folder)) continue;
    EXPECT_NO_THROW(ModelDirectory::open(folder)) << name;
    ++opened;
  }
  if (opened == 0) GTEST_SKIP() << "the shared data folder is not there";
}

}  // namespace
}  // namespace apiq
