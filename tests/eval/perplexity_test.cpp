#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "apiq/error.hpp"
#include "apiq/evaluate.hpp"
#include "cases/public_device.hpp"
#include "support/paths.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
const fs::path kShared = fs::path(APIQ_SOURCE_DIR) / ".." / "shared";
const fs::path kModel = fs::path(APIQ_SOURCE_DIR) / "data" / "novels-6m";

struct Known {
  const char *model, *text;
  std::uint64_t max_tokens;
  double perplexity;  // of the PyTorch oracle in float32, windows of 256 (its results.json)
};

class KnownPerplexity : public ::testing::TestWithParam<Known> {};

TEST_P(KnownPerplexity, EqualsTheOracleTo1e4) {
  const auto& known = GetParam();
  const fs::path folder = kShared / "data" / known.model, text = kShared / "reference" / known.text;
  if (!fs::exists(text)) GTEST_SKIP() << "needs " << text;
  Model model = Model::load(testing::public_device(), folder);
  PerplexityOptions options;
  options.text = text;
  options.sequence_length = 256;
  options.max_tokens = known.max_tokens;
  const auto result = evaluate_perplexity(model, options);
  EXPECT_NEAR(result.perplexity / known.perplexity, 1.0, 1e-4);
  EXPECT_EQ(result.predictions, known.max_tokens / 256 * 255);
}

INSTANTIATE_TEST_SUITE_P(
    Eval, KnownPerplexity,
    ::testing::Values(Known{"novels-6m", "novels_val.u16", 40000, 45.508066296382964},
                      Known{"stories260k/hf", "stories260k_val.u16", 20000, 4.180007694551637},
                      Known{"stories3m_q80/hf", "stories3m_val.u16", 20000, 4.766358149102297}));

class PerplexityTest : public ::testing::Test {
 protected:
  Model model_ = Model::load(testing::public_device(), kModel);
  PerplexityOptions options_ = [] {
    PerplexityOptions options;
    options.text = kModel / "validation.txt";
    options.sequence_length = 64;
    options.max_tokens = 64 * 6 + 10;
    return options;
  }();
};

/// Buffers of one context mean nothing to the kernels of another.
TEST_F(PerplexityTest, AReferenceOnAnotherDeviceIsRefused) {
  Device second = Device::open({.selector = default_device_selector()});
  Model reference = Model::load(second, kModel);
  EXPECT_THROW(evaluate_perplexity(model_, options_, &reference), InvalidArgument);
}

TEST_F(PerplexityTest, WindowsAreConsecutiveAndTheTailIsDropped) {
  const auto result = evaluate_perplexity(model_, options_);
  EXPECT_EQ(result.tokens, 64u * 6 + 10);
  EXPECT_EQ(result.windows, 6u);
  EXPECT_EQ(result.predictions, 6u * 63);
  EXPECT_NEAR(std::log(result.perplexity), result.mean_nll, 1e-12);
}

TEST_F(PerplexityTest, AStrideScoresEachTokenOnceWithMoreContext) {
  const double plain = evaluate_perplexity(model_, options_).perplexity;
  options_.stride = 16;
  const auto result = evaluate_perplexity(model_, options_);
  EXPECT_EQ(result.windows, (64u * 6 + 10 - 64) / 16 + 1);
  EXPECT_EQ(result.predictions, 63 + (result.windows - 1) * 16);
  EXPECT_LT(result.perplexity, plain);
}

TEST_F(PerplexityTest, AModelAgreesWithItself) {
  Model other = Model::load(testing::public_device(), kModel);
  const auto result = evaluate_perplexity(model_, options_, &other);
  EXPECT_EQ(*result.kl_divergence, 0.0);
  EXPECT_EQ(*result.top1_agreement, 1.0);
}

TEST_F(PerplexityTest, RefusesWhatDoesNotFit) {
  auto options = options_;
  options.sequence_length = 513;
  EXPECT_THROW(evaluate_perplexity(model_, options), InvalidArgument);
  options = options_;
  options.stride = 65;
  EXPECT_THROW(evaluate_perplexity(model_, options), InvalidArgument);
  options = options_;
  options.max_tokens = 63;
  EXPECT_THROW(evaluate_perplexity(model_, options), InvalidArgument);
  const std::atomic<bool> stop{true};
  Callbacks callbacks;
  callbacks.stop = &stop;
  EXPECT_THROW(evaluate_perplexity(model_, options_, nullptr, callbacks), Interrupted);
}

}  // namespace
}  // namespace apiq
