// The methods on one synthetic linear problem: what they return is what they trained, and training helps.
#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "model/linear.hpp"
#include "ops/gemm.hpp"
#include "quant/method.hpp"

namespace apiq {
namespace {

using runtime::DeviceTensor;
using runtime::TensorView;
using testing::random_floats;
using testing::shared_queue;

/// A linear layer whose quantized-stream inputs are noisy versions of the full-precision ones.
class MethodsTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kOut = 48, kIn = 64, kTokens = 32, kSamples = 4;

  MethodsTest() : weight_(testing::upload(random_floats(kOut * kIn, 1), {kOut, kIn})) {
    for (std::uint32_t i = 0; i < kSamples; ++i) {
      auto clean = random_floats(kTokens * kIn, 10 + i),
           noise = random_floats(kTokens * kIn, 20 + i, -0.1f, 0.1f);
      const DeviceTensor x = testing::upload(clean, {kTokens, kIn});
      targets_.push_back(testing::device_tensor({kTokens, kOut}));
      ops::matmul_nt(shared_queue(), runtime::Rounding::none, x, weight_, targets_.back());
      for (std::size_t j = 0; j < clean.size(); ++j) clean[j] += noise[j];
      inputs_.push_back(testing::upload(clean, {kTokens, kIn}));
    }
  }

  quant::LinearProblem problem(std::uint32_t rank, std::uint32_t batch_size = 1) {
    return {.queue = shared_queue(),
            .name = "test",
            .seed = 3,
            .weight = weight_,
            .spec = {2, 32, false, true},
            .rank = rank,
            .alpha = 16,
            .train = {.epochs = 8,
                      .batch_size = batch_size,
                      .lora_learning_rate = 0.01f,
                      .clip_learning_rate = 0.01f},
            .num_samples = kSamples,
            .tokens_per_sample = kTokens,
            .input = [this](std::uint32_t i) { return inputs_[i].view(); },
            .target = [this](std::uint32_t i) { return targets_[i].view(); },
            .training_begins = [] {},
            .step_done = [this](std::uint64_t steps) { steps_ = steps; }};
  }

  /// Mean squared error of the stored linear, run as inference runs it.
  double error_of(const QuantizedLinear& stored) {
    const auto linear = model::Linear::packed(shared_queue(), stored);
    const DeviceTensor y = testing::device_tensor({kTokens, kOut});
    double total = 0;
    for (std::uint32_t i = 0; i < kSamples; ++i) {
      linear.forward(shared_queue(), runtime::Rounding::none, inputs_[i], y);
      const auto got = testing::download(y), wanted = testing::download(targets_[i]);
      for (std::size_t j = 0; j < got.size(); ++j) total += std::pow(got[j] - wanted[j], 2);
    }
    return total / (kSamples * kTokens * kOut);
  }

  static quant::LinearResult run(const char* method, const quant::LinearProblem& problem) {
    return quant::make_method(method_options(method))->quantize_linear(problem);
  }

  DeviceTensor weight_;
  std::vector<DeviceTensor> inputs_, targets_;
  std::uint64_t steps_ = 0;
};

TEST_F(MethodsTest, TrainingReducesTheErrorAndLoraReducesItFurther) {
  const double rtn = error_of(run("rtn", problem(0)).linear);
  const auto clipped = run("apiq-lw", problem(0)), adapted = run("apiq-lw", problem(8));
  EXPECT_EQ(steps_, 8u * kSamples);
  EXPECT_LT(clipped.epoch_losses.back(), clipped.epoch_losses.front());
  EXPECT_LT(error_of(clipped.linear), rtn);
  EXPECT_LT(error_of(adapted.linear), 0.7 * error_of(clipped.linear));
  EXPECT_EQ(clipped.linear.rank, 0u);
  EXPECT_TRUE(clipped.linear.lora_A.empty());
}

TEST_F(MethodsTest, SameProblemSameBytes) {
  const auto a = run("apiq-lw", problem(8)), b = run("apiq-lw", problem(8));
  EXPECT_TRUE(a.linear.weight == b.linear.weight);
  EXPECT_EQ(a.linear.lora_A, b.linear.lora_A);
  EXPECT_EQ(a.linear.lora_B, b.linear.lora_B);
  auto other = problem(8);
  other.seed = 4;
  EXPECT_NE(run("apiq-lw", other).linear.lora_A, a.linear.lora_A);
}

TEST_F(MethodsTest, BatchesTakeFewerStepsAndDropTheRemainder) {
  const auto result = run("apiq-lw", problem(8, 3));
  EXPECT_EQ(steps_, 8u);
  EXPECT_LT(result.epoch_losses.back(), result.epoch_losses.front());
}

TEST_F(MethodsTest, StepsWithoutAFiniteLossAreSkippedAndCounted) {
  std::vector<float> poisoned = testing::download(targets_[1]);
  poisoned[5] = std::nanf("");
  shared_queue().write(targets_[1], poisoned.data());
  const auto result = run("apiq-lw", problem(8));
  EXPECT_EQ(result.skipped_steps, 8u);
  EXPECT_TRUE(std::isfinite(result.epoch_losses.back()));
  for (const auto value : result.linear.lora_B) EXPECT_TRUE(std::isfinite(half_to_float(value)));
}

TEST(Methods, AreFoundByNameAndUnknownOnesNameTheKnown) {
  EXPECT_EQ(quant::find_method("rtn").name, "rtn");
  try {
    quant::find_method("gptq3000");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("apiq-bw, apiq-lw, rtn"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace apiq
