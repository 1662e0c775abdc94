#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "apiq/error.hpp"
#include "apiq/quantize.hpp"
#include "calib/calibration_set.hpp"
#include "cases/public_device.hpp"
#include "io/checkpoint.hpp"
#include "io/model_directory.hpp"
#include "support/paths.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;

TEST(CalibrationSet, WindowsAreThoseOfThePaper) {
  // random.seed(2) over 2,874,560 tokens with windows of 2048 starts at these places (CPython 3.11).
  std::vector<std::int32_t> tokens(2874560);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(i);
  const auto set = calib::sample_windows(tokens, 3, 2048, 2);
  ASSERT_EQ(set.samples.size(), 3u);
  EXPECT_EQ(set.samples[0].front(), 237193);
  EXPECT_EQ(set.samples[1].front(), 384134);
  EXPECT_EQ(set.samples[2].front(), 355978);
  EXPECT_EQ(set.samples[2].back(), 355978 + 2047);
}

TEST(CalibrationSet, NeedsOneTokenMoreThanAWindow) {
  EXPECT_EQ(calib::sample_windows({1, 2, 3, 4}, 2, 3, 0).samples.size(), 2u);
  EXPECT_THROW(calib::sample_windows({1, 2, 3}, 2, 3, 0), InvalidArgument);
}

TrainOptions& train(QuantizeOptions& o) { return *part_of<TrainOptions>(o.method); }
LoraOptions& lora(QuantizeOptions& o) { return *part_of<LoraOptions>(o.method); }

class QuantizeTest : public ::testing::Test {
 protected:
  QuantizeOptions options() const {
    QuantizeOptions o;
    o.model = fs::path(APIQ_SOURCE_DIR) / "data" / "novels-6m";
    o.output = folder_.path() / "out.h5";
    o.calibration = {o.model / "calibration.txt"};
    o.samples = 2;
    o.sequence_length = 32;
    ApiqBwOptions method;
    method.epochs = 1;
    method.rank = 4;
    o.method = method;
    return o;
  }
  test::TemporaryFolder folder_;
};

TEST_F(QuantizeTest, WritesEveryTensorAndReportsWhatItStored) {
  const auto result = quantize(testing::public_device(), options());
  const auto reader = CheckpointReader::open(folder_.path() / "out.h5");
  reader.verify();
  EXPECT_EQ(reader.linears().size(), 6u * 7);
  EXPECT_EQ(reader.meta().method, "apiq-bw");
  EXPECT_EQ(result.blocks.size(), 6u);
  for (const auto& block : result.blocks) {
    EXPECT_GT(block.relative_error, 0.0);
    EXPECT_LT(block.relative_error, 1.0);
  }
  // 2 bits, and per group of 64 a binary16 scale and a 2-bit zero point; every matrix of this model fills its
  // row blocks.
  EXPECT_DOUBLE_EQ(result.bits_per_weight, 2 + 18.0 / 64);
  EXPECT_GT(result.adapter_bits_per_weight, 0.0);
  EXPECT_EQ(result.output_bytes, fs::file_size(folder_.path() / "out.h5"));
}

TEST_F(QuantizeTest, LayersThatReadQuantizedInputsKnowIt) {
  // Layer-wise training from the streams must beat rounding at the end of the network: the relative error of
  // the last block's output.
  auto rtn = options();
  rtn.method = RtnOptions();
  auto lw = options();
  train(lw).epochs = 5;
  lora(lw).rank = 16;
  lw.samples = rtn.samples = 4;
  const double rounded = quantize(testing::public_device(), rtn).blocks.back().relative_error;
  EXPECT_LT(quantize(testing::public_device(), lw).blocks.back().relative_error, 0.8 * rounded);
}

TEST_F(QuantizeTest, LeavesTheDeviceAsItWas) {
  Device device = Device::open({.selector = default_device_selector()});
  const std::uint64_t in_use = device.impl().budget().in_use_bytes(),
                      host_limit = device.impl().host_budget().limit_bytes();
  auto o = options();
  o.method = RtnOptions{};
  o.host_memory_bytes = std::uint64_t{1} << 30;
  quantize(device, o);
  EXPECT_EQ(device.impl().budget().in_use_bytes(), in_use) << "scratch memory of the run";
  EXPECT_EQ(device.impl().host_budget().limit_bytes(), host_limit);
}

TEST_F(QuantizeTest, RefusesOptionsThatDoNotFitAndLeavesNoFile) {
  const auto refused = [&](auto change) {
    auto o = options();
    change(o);
    EXPECT_THROW(quantize(testing::public_device(), o), Error);
    EXPECT_TRUE(fs::is_empty(folder_.path()));
  };
  refused([](auto& o) { o.bits = 5; });
  refused([](auto& o) { o.group_size = 60; });
  refused([](auto& o) { lora(o).rank = 129; });  // k_proj is 128 x 256
  refused([](auto& o) { lora(o).alpha = 0; });
  refused([](auto& o) { o.calibration.clear(); });
  refused([](auto& o) { o.sequence_length = 513; });
  refused([](auto& o) { train(o).batch_size = 3; });
  refused([](auto& o) { o.samples = 5, train(o).batch_size = 2; });
  refused([](auto& o) { train(o).lora_learning_rate = -1.0f; });
  refused([](auto& o) { o.model = "/no/such/folder"; });
  const std::atomic<bool> stop{true};
  Callbacks callbacks;
  callbacks.stop = &stop;
  EXPECT_THROW(quantize(testing::public_device(), options(), callbacks), Interrupted);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(QuantizeTest, TokenIdsNeedNoTokenizer) {
  auto o = options();
  const test::TemporaryFolder model;
  for (const char* name : {"config.json", "model.safetensors"}) fs::copy(o.model / name, model.path() / name);
  std::string ids;
  for (int i = 0; i < 200; ++i) ids += {static_cast<char>(i), static_cast<char>(i % 16)};
  o.model = model.path();
  o.calibration = {model.write("ids.u16", ids)};
  EXPECT_EQ(quantize(testing::public_device(), o).blocks.size(), 6u);
}

TEST_F(QuantizeTest, WholeRowsAndSymmetricGridsAreStoredAsTrained) {
  auto o = options();
  o.group_size = 0;
  o.symmetric = true;
  o.bits = 3;
  quantize(testing::public_device(), o);
  const auto reader = CheckpointReader::open(o.output);
  for (const auto& linear : reader.linears()) {
    EXPECT_EQ(linear.layout.group_size, linear.layout.in_features);
    EXPECT_TRUE(linear.symmetric);
  }
  const auto zeros = unpack_zeros(reader.read_linear(reader.linears().front().name).weight);
  for (const auto zero : zeros) ASSERT_EQ(zero, 3);
}

}  // namespace
}  // namespace apiq
