// Every family from a random model to text by ids: each method of quantizing, what the checkpoint keeps, and
// its evaluation and decoding.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>

#include "apiq/evaluate.hpp"
#include "apiq/inspect.hpp"
#include "apiq/quantize.hpp"
#include "cases/public_device.hpp"
#include "family/family.hpp"
#include "family/tensor_names.hpp"
#include "io/checkpoint.hpp"
#include "io/model_directory.hpp"
#include "model/decoder.hpp"
#include "support/safetensors_file.hpp"
#include "support/temporary_folder.hpp"
#include "util/half.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kVocabulary = 97;

class FamilyTest : public ::testing::TestWithParam<const Family*> {
 protected:
  FamilyTest() {
    const std::string config =
        R"({"architectures":[")" + std::string(GetParam()->architecture) +
        R"("],"hidden_act":"silu","hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,
            "num_attention_heads":4,"num_key_value_heads":2,"head_dim":32,"vocab_size":97,
            "max_position_embeddings":64,"rms_norm_eps":1e-6,"sliding_window":null,"tie_word_embeddings":false})";
    folder_.write("config.json", config);
    folder_.write("model.safetensors", random_tensors(parse_model_config(config, "test")));
    std::mt19937 random(3);
    std::string ids;
    for (int i = 0; i < 400; ++i) {
      ids += static_cast<char>(random() % kVocabulary);
      ids += '\0';
    }
    folder_.write("ids.u16", ids);
  }

  /// Norms about 1, biases large enough to be seen, weights of about 1 / sqrt(in_features).
  static std::string random_tensors(const ModelConfig& config) {
    std::string header = "{", data;
    std::mt19937 random(11);
    for (const TensorInfo& info : expected_tensors(config)) {
      const bool vector = info.shape.rank() == 1, bias = info.name.ends_with(".bias");
      std::normal_distribution<float> values(vector && !bias ? 1.0f : 0.0f, vector ? 0.3f : 0.12f);
      const std::size_t begin = data.size();
      for (std::uint64_t i = 0; i < info.shape.elements(); ++i) {
        const std::uint16_t half = float_to_half(values(random));
        data += static_cast<char>(half & 0xff);
        data += static_cast<char>(half >> 8);
      }
      header += (header.size() > 1 ? ",\"" : "\"") + info.name + R"(":{"dtype":"F16","shape":)" +
                info.shape.text() + R"(,"data_offsets":[)" + std::to_string(begin) + "," +
                std::to_string(data.size()) + "]}";
    }
    return test::safetensors_bytes(header + "}", data);
  }

  fs::path quantized(const std::string& method, std::uint32_t bits) {
    QuantizeOptions o;
    o.model = folder_.path();
    o.output = folder_.path() / (method + ".h5");
    o.method = method_options(method);
    o.bits = bits;
    o.group_size = 32;
    o.calibration = {folder_.path() / "ids.u16"};
    o.samples = 8;
    o.sequence_length = 16;
    if (auto* lora = part_of<LoraOptions>(o.method)) lora->rank = 4;
    if (auto* train = part_of<TrainOptions>(o.method)) train->epochs = 2;
    result_ = quantize(testing::public_device(), o);
    return o.output;
  }

  double perplexity(const fs::path& path) const {
    Model model = Model::load(testing::public_device(), path);
    return evaluate_perplexity(model, {.text = folder_.path() / "ids.u16", .sequence_length = 32}).perplexity;
  }

  test::TemporaryFolder folder_;
  QuantizeResult result_;
};

TEST_P(FamilyTest, EveryMethodGivesACheckpointThatEvaluates) {
  const double original = perplexity(folder_.path());
  EXPECT_TRUE(std::isfinite(original));
  for (const char* method : {"rtn", "apiq-lw", "apiq-bw"}) {
    const fs::path path = quantized(method, 4);
    verify(path);
    // Random ids: every model is near the size of the vocabulary, a wrong one is far off.
    EXPECT_NEAR(std::log(perplexity(path)), std::log(original), 0.1) << method;
    for (const BlockReport& block : result_.blocks) {
      EXPECT_LT(block.relative_error, 0.2) << method << " block " << block.index;
      if (!block.losses.empty()) {
        EXPECT_LE(block.loss_last, block.loss_first) << method << " block " << block.index;
      }
    }
  }
}

/// What is not quantized comes back as it was: norms and biases above all.
TEST_P(FamilyTest, TheCheckpointKeepsEveryOtherTensor) {
  const CheckpointReader reader = CheckpointReader::open(quantized("rtn", 2));
  const ModelDirectory model = ModelDirectory::open(folder_.path());
  const ModelConfig& config = model.config();
  std::size_t compared = 0;
  for (const TensorInfo& info : expected_tensors(config)) {
    if (is_linear_weight(config, info.name)) continue;
    const auto stored = reader.read_tensor(info.name);
    const auto original = model.tensors().bytes(info.name);
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), original.begin(), original.end())) << info.name;
    ++compared;
  }
  EXPECT_EQ(reader.linears().size(), config.block.linears.size() * config.num_hidden_layers);
  EXPECT_EQ(compared, reader.tensors().size());
}

TEST_P(FamilyTest, DecodingWithTheCacheIsTheForwardPass) {
  for (const fs::path& path : {folder_.path(), quantized("apiq-bw", 3)}) {
    Model model = Model::load(testing::public_device(), path);
    const ModelImpl& impl = model.impl();
    if (impl.activation_dtype() != DType::f32) GTEST_SKIP() << "bounds are those of f32 activations";
    std::vector<std::int32_t> ids = {5, 17, 80, 3};
    const KvCache cache(impl.queue(), impl.config(), 32, DType::f32);
    Decoder decoder(impl, cache, 8);
    decoder.prefill(ids);
    for (const std::int32_t id : {44, 9, 61}) {
      decoder.feed(id);
      ids.push_back(id);
      const runtime::DeviceTensor hidden(impl.queue().device(), DType::f32,
                                         {ids.size(), impl.config().hidden_size}, "hidden"),
          logits(impl.queue().device(), DType::f32, {1, kVocabulary}, "logits");
      impl.forward(ids, nullptr, 0, hidden);
      impl.logits(hidden.view().rows(ids.size() - 1, 1), logits);
      const auto ours = runtime::read_floats(impl.queue(), decoder.logits()),
                 whole = runtime::read_floats(impl.queue(), logits);
      // Logits of order 1, two blocks of sums of at most 128 terms in another order.
      for (std::size_t k = 0; k < ours.size(); ++k) ASSERT_NEAR(ours[k], whole[k], 1e-4) << path << " " << k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyTest, ::testing::ValuesIn(families().begin(), families().end()),
                         [](const auto& family) { return std::string(family.param->model_type); });

}  // namespace
}  // namespace apiq
