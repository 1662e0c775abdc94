// The Gram form against what it stands for: the mean squared error over all samples at once and its
// gradients, in fp64 loops over the tokens.
#include "quant/gram.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "cases/device_fixture.hpp"
#include "ops/gemm.hpp"
#include "quant/method.hpp"

namespace apiq {
namespace {

using quant::TrainedLinear;
using runtime::DeviceTensor;
using testing::download;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;
using Doubles = std::vector<double>;

class GramTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kOut = 24, kIn = 32, kTokens = 10, kSamples = 3, kRank = 4;

  GramTest() : weight_(upload(random_floats(kOut * kIn, 1), {kOut, kIn})) {
    for (std::uint32_t i = 0; i < kSamples; ++i) {
      x_.push_back(random_floats(kTokens * kIn, 10 + i));
      inputs_.push_back(upload(x_.back(), {kTokens, kIn}));
      targets_.push_back(testing::device_tensor({kTokens, kOut}));
      ops::matmul_nt(shared_queue(), runtime::Rounding::none, inputs_.back(), weight_, targets_.back());
      target_.push_back(download(targets_.back()));
    }
  }

  quant::LinearProblem problem() {
    return {.queue = shared_queue(),
            .name = "test",
            .seed = 3,
            .weight = weight_,
            .spec = {2, 16, false, true},
            .rank = kRank,
            .alpha = 8,
            .train =
                {
                    .epochs = 6,
                    .batch_size = kSamples,
                    .lora_learning_rate = 0.01f,
                    .clip_learning_rate = 0.01f,
                },
            .num_samples = kSamples,
            .tokens_per_sample = kTokens,
            .input = [this](std::uint32_t i) { return inputs_[i].view(); },
            .target = [this](std::uint32_t i) { return targets_[i].view(); },
            .training_begins = [] {},
            .step_done = [](std::uint64_t) {}};
  }

  DeviceTensor weight_;
  std::vector<std::vector<float>> x_, target_;
  std::vector<DeviceTensor> inputs_, targets_;
};

TEST_F(GramTest, LossAndGradientsAreThoseOfTheWholeBatch) {
  const auto p = problem();
  TrainedLinear linear(shared_queue(), weight_, {p.spec, kRank, p.alpha, p.seed}, p.train, true);
  shared_queue().write(linear.lora().B(), random_floats(kOut * kRank, 4).data());
  const std::vector<float> m = download(linear.effective()), A = download(linear.lora().A()),
                           B = download(linear.lora().B());
  double loss = 0, size = 0;
  Doubles G(kOut * kIn);
  const double n = kSamples * kTokens * kOut;
  for (std::size_t row = 0; row < kSamples * kTokens; ++row) {
    const float *x = x_[row / kTokens].data() + row % kTokens * kIn,
                *t = target_[row / kTokens].data() + row % kTokens * kOut;
    for (std::size_t o = 0; o < kOut; ++o) {
      double e = -t[o];
      for (std::size_t i = 0; i < kIn; ++i) e += static_cast<double>(x[i]) * m[o * kIn + i];
      loss += e * e / n;
      size += static_cast<double>(t[o]) * t[o] / n;
      for (std::size_t i = 0; i < kIn; ++i) G[o * kIn + i] += 2 * e * x[i] / n;
    }
  }
  const double c = p.alpha / kRank;
  Doubles dA(kRank * kIn), dB(kOut * kRank);
  for (std::size_t o = 0; o < kOut; ++o)
    for (std::size_t r = 0; r < kRank; ++r)
      for (std::size_t i = 0; i < kIn; ++i) {
        dB[o * kRank + r] += c * G[o * kIn + i] * A[r * kIn + i];
        dA[r * kIn + i] += c * B[o * kRank + r] * G[o * kIn + i];
      }
  const quant::GramObjective objective(p);
  const DeviceTensor found = testing::device_tensor({1});
  objective.step(linear, {1, 1.0, found});
  // The loss is a difference of sums as large as the outputs' squares; 50 roundings of 2^-24 of those.
  EXPECT_NEAR(download(found)[0], loss, 3e-6 * (size + loss));
  const auto expect_close = [](const std::vector<float>& device, const Doubles& exact, const char* name) {
    double largest = 0;
    for (const double value : exact) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < exact.size(); ++i)
      ASSERT_NEAR(device[i], exact[i], 2e-5 * largest) << name << " " << i;
  };
  expect_close(download(linear.lora().dA()), dA, "dA");
  expect_close(download(linear.lora().dB()), dB, "dB");
}

/// Fits so well that the loss is below what f32 sums of this size can tell: then it may not be a negative
/// number that ends the training.
TEST_F(GramTest, ALossThatVanishesNeitherTurnsNegativeNorStopsTheTraining) {
  auto p = problem();
  p.spec = {4, 16, false, true};
  p.train.epochs = 40;
  p.train.early_stop = 0.01f;
  p.train.range_init = RangeInit::mse;
  // Weights on a 4-bit grid of their own, which the search for a range finds: nothing is left to lose.
  std::vector<float> on_grid = random_floats(kOut * kIn, 1, 0.0f, 16.0f);
  for (std::size_t i = 0; i < on_grid.size(); ++i)
    on_grid[i] = i % 16 == 0 ? -8.0f : i % 16 == 1 ? 7.0f : std::floor(on_grid[i]) - 8.0f;
  shared_queue().write(weight_, on_grid.data());
  for (std::uint32_t i = 0; i < kSamples; ++i)
    ops::matmul_nt(shared_queue(), runtime::Rounding::none, inputs_[i], weight_, targets_[i]);
  p.train.clip_learning_rate = p.train.lora_learning_rate = 1e-6f;
  ApiqLwOptions gram;
  gram.gram = true;
  const auto result = quant::make_method(gram)->quantize_linear(p);
  for (const double loss : result.epoch_losses) EXPECT_GE(loss, 0.0);
}

TEST_F(GramTest, TrainingTakesTheStepsOfBatchesOfAllSamples) {
  ApiqLwOptions gram;
  gram.gram = true;
  const auto a = quant::make_method(gram)->quantize_linear(problem());
  const auto b = quant::make_method(ApiqLwOptions())->quantize_linear(problem());
  ASSERT_EQ(a.epoch_losses.size(), b.epoch_losses.size());
  EXPECT_LT(a.epoch_losses.back(), 0.9 * a.epoch_losses.front());
  // The same mathematics in another order of summation: rounding may turn the sign of a vanishing gradient,
  // and with it one of Adam's first steps.
  for (std::size_t i = 0; i < a.epoch_losses.size(); ++i)
    EXPECT_NEAR(a.epoch_losses[i], b.epoch_losses[i], 1e-3 * b.epoch_losses[i]) << i;
  EXPECT_NEAR(a.epoch_losses[0], b.epoch_losses[0], 1e-5 * b.epoch_losses[0]);  // nothing was trained yet
}

}  // namespace
}  // namespace apiq
