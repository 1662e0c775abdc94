// One block for one token, in fused stages where they fit, against the general path: with biases and adapters
// in every place, which the stages leave to single steps.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "cases/public_device.hpp"
#include "family/pre_norm_block.hpp"
#include "model/decode_plan.hpp"
#include "model/decode_weights.hpp"
#include "util/half.hpp"

namespace apiq {
namespace {

using model::Block;
using runtime::DeviceTensor;

constexpr std::uint32_t kHidden = 96, kWide = 160, kTokens = 6;

ModelConfig small_config() {
  ModelConfig config;
  config.hidden_size = kHidden;
  config.intermediate_size = kWide;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.rms_norm_eps = 1e-5f;
  config.block = pre_norm_block(config);
  return config;
}

std::vector<std::uint16_t> halves(std::size_t count, std::uint32_t seed, float low, float high) {
  std::vector<std::uint16_t> out;
  for (const float value : testing::random_floats(count, seed, low, high))
    out.push_back(float_to_half(value));
  return out;
}

class DecodePlan : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  runtime::Queue& queue() const { return testing::public_device().impl().queue(); }

  void SetUp() override {
    for (const LinearSpec& linear : config_.block.linears)
      block_.linears.push_back(packed(linear.out_features, linear.in_features,
                                      100 * static_cast<std::uint32_t>(block_.linears.size())));
    for (std::uint32_t seed = 1; const NormSpec& norm : config_.block.norms)
      block_.norms.push_back(
          testing::upload_to(queue(), testing::random_floats(norm.width, seed++, 0.5f, 1.5f), {norm.width}));
  }

  model::Linear packed(std::uint32_t out, std::uint32_t in, std::uint32_t seed) const {
    QuantizedLinear linear;
    std::vector<std::uint8_t> codes(std::size_t{out} * in), zeros(codes.size() / 32);
    std::mt19937 random(seed);
    for (auto& code : codes) code = static_cast<std::uint8_t>(random() % 16);
    for (auto& zero : zeros) zero = static_cast<std::uint8_t>(7 + random() % 2);
    linear.weight = pack({out, in, 4, 32}, codes, halves(zeros.size(), seed + 1, 0.01f, 0.03f), zeros);
    linear.rank = 4;
    linear.alpha = 4;
    linear.lora_A = halves(std::size_t{4} * in, seed + 2, -0.1f, 0.1f);
    linear.lora_B = halves(std::size_t{4} * out, seed + 3, -0.1f, 0.1f);
    return model::Linear::packed(queue(), linear);
  }

  void set_bias(std::uint32_t l) {
    const auto values = testing::random_floats(block_.linears[l].out_features(), 7 + l);
    block_.linears[l].set_bias(queue(), {"bias", DType::f32, {values.size()}},
                               std::as_bytes(std::span(values)));
  }

  void add_adapter(std::uint32_t l) {
    const std::uint32_t out = block_.linears[l].out_features(), in = block_.linears[l].in_features();
    block_.linears[l].add_adapter(
        model::Adapter::trained(queue(), {"second", out, in, 3, 1.0f},
                                testing::random_floats(std::size_t{3} * in, 50 + l, -0.2f, 0.2f),
                                testing::random_floats(std::size_t{3} * out, 60 + l, -0.2f, 0.2f)));
  }

  /// Every token through the block, one at a time.
  std::vector<float> run(bool fused) const {
    std::vector<float> out;
    const Shape cache{kTokens, config_.kv_features()};
    const BlockSpec& spec = config_.block;
    const model::BlockPlan single = model::forward_plan(spec, 1, DType::f32);
    const model::DecodePlan plan(spec, block_, DType::f32);
    const DeviceTensor k(queue().device(), DType::f32, cache, "keys"),
        v(queue().device(), DType::f32, cache, "values");
    for (std::uint32_t t = 0; t < kTokens; ++t) {
      const DeviceTensor x =
          testing::upload_to(queue(), testing::random_floats(kHidden, 30 + t), {1, kHidden});
      if (fused) plan.run(queue(), rope_, x, {k, v}, t);
      else model::block_forward(queue(), runtime::Rounding::none, spec, single, rope_, block_, x, {k, v}, t);
      const auto y = runtime::read_floats(queue(), x);
      out.insert(out.end(), y.begin(), y.end());
    }
    return out;
  }

  const ModelConfig config_ = small_config();
  const model::RopeTables rope_{queue(), config_, kTokens};
  Block block_;
};

/// The parameter: a bit for each linear with a bias, and as many from bit 8 on for those with an adapter
/// more.
TEST_P(DecodePlan, IsTheGeneralPathTokenByToken) {
  ASSERT_TRUE(model::decode_format(block_).has_value());
  const auto without = run(false);
  for (std::uint32_t l = 0; l < block_.linears.size(); ++l) {
    if (GetParam() >> l & 1) set_bias(l);
    if (GetParam() >> (8 + l) & 1) add_adapter(l);
  }
  // The kernel that computes whole tokens knows neither.
  EXPECT_EQ(model::decode_format(block_).has_value(), GetParam() == 0);
  const auto general = run(false), fused = run(true);
  double changed = 0;
  for (std::size_t i = 0; i < general.size(); ++i) {
    // Values of order 1 to 10, two sums of at most 160 terms after each other: other orders of summation
    // differ far below 1e-4 of that.
    ASSERT_NEAR(fused[i], general[i], 1e-3) << i;
    changed = std::max(changed, std::fabs(static_cast<double>(general[i]) - without[i]));
  }
  EXPECT_EQ(changed > 0.05, GetParam() != 0) << changed;
}

INSTANTIATE_TEST_SUITE_P(Model, DecodePlan,
                         ::testing::Values(0u, 0x7u, 0x8u, 0x10u, 0x20u, 0x40u, 0x7fu, 0x100u, 0x1000u,
                                           0x4000u, 0x7f7fu));

}  // namespace
}  // namespace apiq
