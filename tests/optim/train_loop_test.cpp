// The training loop with steps of the test's own: what they are told, what becomes of their losses, when the
// loop ends.
#include "optim/train_loop.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "cases/device_fixture.hpp"
#include "optim/schedule.hpp"
#include "support/errors.hpp"

namespace apiq {
namespace {

using optim::LoopProblem;
using optim::LoopResult;
using optim::rate_factor;
using optim::StepInfo;
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
  LoopResult run(const std::vector<float>& losses, LoopProblem problem) {
    problem.step = [&](std::uint32_t batch, const StepInfo& info) {
      const float loss = losses[std::min(steps_.size(), losses.size() - 1)];
      shared_queue().write(info.loss, &loss);
      batches_.push_back(batch);
      steps_.push_back(info.step);
      factors_.push_back(info.rate_factor);
    };
    problem.step_done = [&](std::uint64_t done) { done_ = done; };
    return optim::train_loop(problem);
  }
  static LoopProblem loop(std::uint32_t epochs, std::uint32_t steps_per_epoch, float early_stop = 0) {
    LoopProblem out{.queue = shared_queue(), .name = "model.layers.3", .step = {}, .step_done = {}};
    out.loss_scale = 10;
    out.loss_offset = 0.5;
    out.epochs = epochs;
    out.steps_per_epoch = steps_per_epoch;
    out.early_stop = early_stop;
    return out;
  }

  std::vector<std::uint32_t> batches_, steps_;
  std::vector<double> factors_;
  std::uint64_t done_ = 0;
};

TEST_F(TrainLoopTest, StepsAreCountedFromOneAndBatchesComeInOrder) {
  LoopProblem problem = loop(2, 2);
  problem.schedule = Schedule::cosine;
  const auto result = run({1, 3, 2, 2}, problem);
  EXPECT_EQ(steps_, (std::vector<std::uint32_t>{1, 2, 3, 4}));
  EXPECT_EQ(batches_, (std::vector<std::uint32_t>{0, 1, 0, 1}));
  EXPECT_EQ(done_, 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(factors_[i], rate_factor(Schedule::cosine, i, 4));
  EXPECT_EQ(result.epoch_losses, (std::vector<double>{20.5, 20.5}));
  EXPECT_EQ(result.skipped_steps, 0u);
}

TEST_F(TrainLoopTest, StepsWithoutAFiniteLossAreCountedAndLeftOutOfTheMean) {
  const auto result = run({1, NAN, 3, INFINITY, 5, 7}, loop(2, 3));
  EXPECT_EQ(result.skipped_steps, 2u);
  EXPECT_EQ(result.epoch_losses, (std::vector<double>{20.5, 60.5}));
}

TEST_F(TrainLoopTest, NoFiniteLossInAWholeEpochIsAnErrorThatNamesTheBlock) {
  const std::string text = test::error_text<Error>([&] { run({1, 1, NAN}, loop(3, 2)); });
  for (const char* part : {"model.layers.3", "2 steps", "epoch 2", "learning rate"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(TrainLoopTest, StopsEarlyOnlyIfAskedAndOnlyWhenTheLossHardlyFalls) {
  const std::vector<float> losses{1.0f, 0.5f, 0.49f, 0.1f};
  EXPECT_EQ(run(losses, loop(4, 1)).epoch_losses.size(), 4u);
  steps_.clear();
  // From 5.5 to 5.4: by 1.8 %.
  EXPECT_EQ(run(losses, loop(4, 1, 0.02f)).epoch_losses.size(), 3u);
  steps_.clear();
  EXPECT_EQ(run(losses, loop(4, 1, 0.01f)).epoch_losses.size(), 4u);
  steps_.clear();
  EXPECT_EQ(run({1.0f, 2.0f}, loop(4, 1, 0.01f)).epoch_losses.size(),
            2u);  // rising is not falling
}

TEST_F(TrainLoopTest, LossesBelowZeroAreRoundingAndDoNotStopATraining) {
  // Compared as they are, -2e-9 to -1e-9 would be a rise, and a share of a negative number nothing to reach.
  LoopProblem problem = loop(4, 1, 0.01f);
  problem.loss_offset = 0;
  const auto result = run({1e-3f, -2e-9f, -1e-9f, -3e-9f}, problem);
  ASSERT_EQ(result.epoch_losses.size(), 4u);
  EXPECT_EQ(result.epoch_losses[1], 0.0);
}

TEST_F(TrainLoopTest, KeepsTheLossOfEveryStepWhereTheyAreFew) {
  const auto result = run({1, NAN, 3, 4}, loop(2, 2));
  EXPECT_EQ(result.curve.steps_per_point, 1u);
  ASSERT_EQ(result.curve.points.size(), 4u);
  EXPECT_EQ(result.curve.points[0], 10.5);
  EXPECT_TRUE(std::isnan(result.curve.points[1]));
  EXPECT_EQ(result.curve.points[3], 40.5);
}

TEST_F(TrainLoopTest, AveragesStepsWhereTheyAreMany) {
  std::vector<float> losses(2 * optim::kCurvePoints + 1);
  for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = static_cast<float>(i);
  const auto result = run(losses, loop(1, static_cast<std::uint32_t>(losses.size())));
  EXPECT_EQ(result.curve.steps, losses.size());
  EXPECT_EQ(result.curve.steps_per_point, 3u);
  EXPECT_EQ(result.curve.points.size(), 134u);
  EXPECT_DOUBLE_EQ(result.curve.points[0], 10 * 1 + 0.5);
  EXPECT_DOUBLE_EQ(result.curve.points[1], 10 * 4 + 0.5);
  EXPECT_DOUBLE_EQ(result.curve.points.back(), 10 * 399.5 + 0.5) << "the last two steps";
  steps_.clear();
  const auto stopped = run({4.0f, 4.0f, 4.0f}, loop(3, 1, 0.5f));
  EXPECT_EQ(stopped.curve.points.size(), 2u);
}

TEST_F(TrainLoopTest, NoEpochsIsNoStep) {
  EXPECT_TRUE(run({1}, loop(0, 4)).epoch_losses.empty());
  EXPECT_TRUE(steps_.empty());
}

}  // namespace
}  // namespace apiq
