#include "calib/layer_stream.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "family/tensor_names.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using calib::BlockWeights;
using calib::LayerStream;

constexpr std::uint32_t kBlocks = 4;
constexpr std::uint64_t kRing = 64 << 10;  // 4 slots of 16 KiB: every matrix takes several

const char* const kConfig =
    R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_act":"silu","hidden_size":96,"intermediate_size":160,
        "num_hidden_layers":4,"num_attention_heads":6,"num_key_value_heads":3,"head_dim":16,"vocab_size":32,"max_position_embeddings":64,
        "rms_norm_eps":1e-5,"tie_word_embeddings":true})";

/// A small model on disk whose blocks are stored in different types, every byte of it known.
class StreamedModel : public ::testing::Test {
 protected:
  StreamedModel() {
    folder_.write("config.json", kConfig);
    std::string header = "{";
    std::mt19937 random(5);
    std::string data;
    for (const TensorInfo& info : expected_tensors(parse_model_config(kConfig, "test"))) {
      const bool wide =
          info.name.find("layers.2.") != std::string::npos || info.name.ends_with("layernorm.weight");
      const bool brain = info.name.find("layers.1.mlp") != std::string::npos;
      std::string& bytes = bytes_[info.name];
      for (std::uint64_t i = 0; i < info.shape.elements() * (wide ? 4 : 2); ++i)
        bytes += static_cast<char>(random());
      header += (header.size() > 1 ? ",\"" : "\"") + info.name + R"(":{"dtype":")" +
                (wide    ? "F32"
                 : brain ? "BF16"
                         : "F16") +
                R"(","shape":)" + info.shape.text() + R"(,"data_offsets":[)" + std::to_string(data.size()) +
                "," + std::to_string(data.size() + bytes.size()) + "]}";
      data += bytes;
    }
    header += "}";
    std::string size(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) size[i] = static_cast<char>(header.size() >> (8 * i));
    file_ = folder_.write("model.safetensors", size + header + data);
  }

  void expect_block(const BlockWeights& weights, std::uint32_t block) {
    const auto expect = [&](const runtime::TensorView& view, const std::string& name) {
      const std::string& expected = bytes_.at(name);
      ASSERT_EQ(view.bytes(), expected.size()) << name;
      std::string found(expected.size(), '\0');
      testing::shared_queue().read(view, found.data());
      EXPECT_TRUE(found == expected) << name;
    };
    const BlockSpec spec = parse_model_config(kConfig, "test").block;
    ASSERT_EQ(weights.linears.size(), spec.linears.size());
    for (std::size_t i = 0; i < spec.linears.size(); ++i)
      expect(weights.linears[i], weight_tensor(block, spec.linears[i].name));
    ASSERT_EQ(weights.norms.size(), spec.norms.size());
    for (std::size_t i = 0; i < spec.norms.size(); ++i)
      expect(weights.norms[i], weight_tensor(block, spec.norms[i].name));
  }

  test::TemporaryFolder folder_;
  fs::path file_;
  std::map<std::string, std::string> bytes_;
};

TEST_F(StreamedModel, EveryBlockArrivesInAnyOrderWithAndWithoutPrefetch) {
  const ModelDirectory model = ModelDirectory::open(folder_.path());
  auto& device = testing::shared_device();
  for (const bool prefetch : {false, true}) {
    Trace trace;
    LayerStream stream(device, model, {prefetch, kRing, &trace});
    for (const std::uint32_t block : {0u, 1u, 2u, 3u, 3u, 0u, 2u, 1u, 2u})
      expect_block(stream.open(block), block);
    EXPECT_GT(stream.wait_seconds(), 0.0);
    EXPECT_THROW(stream.open(kBlocks), InvalidArgument);
  }
}

TEST_F(StreamedModel, TypesAreThoseOfTheFile) {
  const ModelDirectory model = ModelDirectory::open(folder_.path());
  LayerStream stream(testing::shared_device(), model, {true, kRing, nullptr});
  EXPECT_EQ(stream.open(0).linears[0].dtype, DType::f16);
  EXPECT_EQ(stream.open(1).linears[4].dtype, DType::bf16);
  EXPECT_EQ(stream.open(2).linears[6].dtype, DType::f32);
  EXPECT_EQ(stream.open(2).norms[0].dtype, DType::f32);
}

TEST_F(StreamedModel, TakesExactlyWhatThePlanSaysAndNothingLater) {
  const ModelDirectory model = ModelDirectory::open(folder_.path());
  auto& device = testing::shared_device();
  // Block 2 is f32 and therefore the largest: q, o 96 x 96; k, v 48 x 96; gate, up, down 160 x 96; two norms.
  const std::uint64_t block = 4 * (2 * 96 * 96 + 2 * 48 * 96 + 3 * 160 * 96 + 2 * 96);
  for (const bool prefetch : {false, true}) {
    EXPECT_EQ(LayerStream::device_bytes(model.config(), model.tensors(), prefetch),
              block * (prefetch ? 2 : 1));
    const auto before = device.budget().in_use_bytes(), host_before = device.host_budget().in_use_bytes();
    LayerStream stream(device, model, {prefetch, kRing, nullptr});
    for (std::uint32_t i = 0; i < kBlocks; ++i) stream.open(i);
    EXPECT_EQ(device.budget().in_use_bytes() - before, block * (prefetch ? 2 : 1));
    EXPECT_EQ(device.host_budget().in_use_bytes() - host_before, LayerStream::host_bytes(kRing));
  }
  EXPECT_THROW(LayerStream(device, model, {true, 1000, nullptr}), InvalidArgument);
}

TEST_F(StreamedModel, AnUploadWaitsForTheComputationThatReadsTheBuffers) {
  // Copies of block b's weights are enqueued, never waited for, while b + 1 and b + 2 are loaded over the
  // same buffers.
  const ModelDirectory model = ModelDirectory::open(folder_.path());
  auto& queue = testing::shared_queue();
  for (const bool prefetch : {false, true}) {
    LayerStream stream(queue.device(), model, {prefetch, kRing, nullptr});
    const runtime::DeviceTensor busy(queue.device(), DType::f32, {1 << 22}, "busy");
    std::vector<runtime::DeviceTensor> kept;
    for (std::uint32_t block : {0u, 1u, 3u, 0u, 1u}) {
      const runtime::TensorView down = stream.open(block).linears[6];
      for (int i = 0; i < 4; ++i) queue.fill_zero(busy);  // keeps the queue behind the loader
      kept.emplace_back(queue.device(), down.dtype, down.shape, "kept");
      queue.copy(down, kept.back());
    }
    std::size_t at = 0;
    for (std::uint32_t block : {0u, 1u, 3u, 0u, 1u}) {
      const std::string& expected = bytes_.at(weight_tensor(block, "mlp.down_proj"));
      std::string found(expected.size(), '\0');
      queue.read(kept[at++], found.data());
      EXPECT_TRUE(found == expected) << block;
    }
  }
}

TEST_F(StreamedModel, AFileCutShortMeanwhileIsAnErrorOfThatBlock) {
  const ModelDirectory model = ModelDirectory::open(folder_.path());
  LayerStream stream(testing::shared_device(), model, {true, kRing, nullptr});
  expect_block(stream.open(0), 0);
  stream.open(1);
  const auto size = fs::file_size(file_);
  std::ifstream whole_file(file_, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(whole_file)), {});
  fs::resize_file(file_, size - bytes_.at("model.norm.weight").size() - 100);  // the last block's last matrix
  stream.open(2);
  const std::string text = test::error_text<IoError>([&] { stream.open(3); });
  EXPECT_NE(text.find(file_.string()), std::string::npos) << text;
  EXPECT_NE(text.find("cut short"), std::string::npos) << text;
  // Restored in place, it can be used again.
  std::ofstream(file_, std::ios::binary | std::ios::in)
      .write(whole.data(), static_cast<std::streamsize>(whole.size()));
  expect_block(stream.open(3), 3);
}

}  // namespace
}  // namespace apiq
