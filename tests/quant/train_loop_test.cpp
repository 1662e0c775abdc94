// The training loop with steps of the test's own: what they are told, what becomes of their losses, when the
// loop ends.
#include "quant/train_loop.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "cases/device_fixture.hpp"
#include "support/errors.hpp"

namespace apiq {
namespace {

using quant::LoopProblem;
using quant::LoopResult;
using quant::rate_factor;
using quant::StepInfo;
using quant::TrainOptions;
using testing::shared_queue;

TEST(RateFactor, CosineFallsFromOneToTwoPercent) {
  EXPECT_EQ(rate_factor(Schedule::constant, 7, 10), 1.0);
  EXPECT_DOUBLE_EQ(rate_factor(Schedule::cosine, 0, 100), 1.0);
  EXPECT_DOUBLE_EQ(rate_factor(Schedule::cosine, 50, 100), 0.02 + 0.98 / 2);
  EXPECT_DOUBLE_EQ(rate_factor(Schedule::cosine, 100, 100), 0.02);
  // A third of the way: cos(60 degrees) = 1/2.
  EXPECT_DOUBLE_EQ(rate_factor(Schedule::cosine, 30, 90), 0.02 + 0.98 * 0.75);
  for (std::uint64_t t = 0; t < 100; ++t)
    EXPECT_GT(rate_factor(Schedule::cosine, t, 100), rate_factor(Schedule::cosine, t + 1, 100));
}

/// A loop whose step reports losses[step] (the last one from then on).
class TrainLoopTest : public ::testing::Test {
 protected:
  LoopResult run(const std::vector<float>& losses, const TrainOptions& train, std::uint32_t steps_per_epoch) {
    return quant::train_loop({.queue = shared_queue(),
                              .train = train,
                              .name = "model.layers.3",
                              .steps_per_epoch = steps_per_epoch,
                              .loss_scale = 10,
                              .loss_offset = 0.5,
                              .step =
                                  [&](std::uint32_t batch, const StepInfo& info) {
                                    const float loss = losses[std::min(steps_.size(), losses.size() - 1)];
                                    shared_queue().write(info.loss, &loss);
                                    batches_.push_back(batch);
                                    steps_.push_back(info.step);
                                    factors_.push_back(info.rate_factor);
                                  },
                              .step_done = [&](std::uint64_t done) { done_ = done; }});
  }
  std::vector<std::uint32_t> batches_, steps_;
  std::vector<double> factors_;
  std::uint64_t done_ = 0;
};

TEST_F(TrainLoopTest, StepsAreCountedFromOneAndBatchesComeInOrder) {
  const auto result = run({1, 3, 2, 2}, {.epochs = 2, .schedule = Schedule::cosine}, 2);
  EXPECT_EQ(steps_, (std::vector<std::uint32_t>{1, 2, 3, 4}));
  EXPECT_EQ(batches_, (std::vector<std::uint32_t>{0, 1, 0, 1}));
  EXPECT_EQ(done_, 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(factors_[i], rate_factor(Schedule::cosine, i, 4));
  EXPECT_EQ(result.epoch_losses, (std::vector<double>{20.5, 20.5}));
  EXPECT_EQ(result.skipped_steps, 0u);
}

TEST_F(TrainLoopTest, StepsWithoutAFiniteLossAreCountedAndLeftOutOfTheMean) {
  const auto result = run({1, NAN, 3, INFINITY, 5, 7}, {.epochs = 2}, 3);
  EXPECT_EQ(result.skipped_steps, 2u);
  EXPECT_EQ(result.epoch_losses, (std::vector<double>{20.5, 60.5}));
}

TEST_F(TrainLoopTest, NoFiniteLossInAWholeEpochIsAnErrorThatNamesTheBlock) {
  const std::string text = test::error_text<Error>([&] { run({1, 1, NAN}, {.epochs = 3}, 2); });
  for (const char* part : {"model.layers.3", "2 steps", "epoch 2", "learning rate"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(TrainLoopTest, StopsEarlyOnlyIfAskedAndOnlyWhenTheLossHardlyFalls) {
  const std::vector<float> losses{1.0f, 0.5f, 0.49f, 0.1f};
  EXPECT_EQ(run(losses, {.epochs = 4}, 1).epoch_losses.size(), 4u);
  steps_.clear();
  // From 5.5 to 5.4: by 1.8 %.
  EXPECT_EQ(run(losses, {.epochs = 4, .early_stop = 0.02f}, 1).epoch_losses.size(), 3u);
  steps_.clear();
  EXPECT_EQ(run(losses, {.epochs = 4, .early_stop = 0.01f}, 1).epoch_losses.size(), 4u);
  steps_.clear();
  EXPECT_EQ(run({1.0f, 2.0f}, {.epochs = 4, .early_stop = 0.01f}, 1).epoch_losses.size(),
            2u);  // rising is not falling
}

TEST_F(TrainLoopTest, NoEpochsIsNoStep) {
  EXPECT_TRUE(run({1}, {.epochs = 0}, 4).epoch_losses.empty());
  EXPECT_TRUE(steps_.empty());
}

}  // namespace
}  // namespace apiq
