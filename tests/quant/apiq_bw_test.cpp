// ApiQ-bw on a small block of the test's own, y = x + down(silu(gate x) * up x): what it returns is what it
// trained, and training helps.
#include <gtest/gtest.h>

#include <cmath>

#include "cases/device_fixture.hpp"
#include "model/linear.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "quant/method.hpp"

namespace apiq {
namespace {

using quant::BlockFunction;
using runtime::DeviceTensor;
using runtime::TensorView;
using testing::download;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;

class SmallBlock : public BlockFunction {
 public:
  static constexpr std::uint64_t kHidden = 32, kWide = 64;
  enum { kGate, kUp, kDown };

  void forward(const TensorView& x, const Forward& linear, const TensorView& y) override {
    x_ = x;
    m_ = stage_input(x, 1, linear);
    linear(kDown, m_, y);
    ops::add(shared_queue(), x, y, y);
  }
  TensorView stage_input(const TensorView& x, std::uint32_t stage, const Forward& linear) override {
    if (stage == 0) return x;
    gate_ = scratch(x.shape[0]), up_ = scratch(x.shape[0]);
    linear(kGate, x, gate_);
    linear(kUp, x, up_);
    const TensorView m = scratch(x.shape[0]);
    ops::swiglu_fwd(shared_queue(), gate_, up_, m);
    return m;
  }
  void backward(const TensorView& dy, const Backward& linear) override {
    const TensorView dm = scratch(dy.shape[0]);
    linear(kDown, m_, dy, dm, false);
    ops::swiglu_bwd(shared_queue(), gate_, up_, dm, gate_, up_);
    linear(kGate, x_, gate_, {}, false);
    linear(kUp, x_, up_, {}, false);
  }
  const std::vector<std::array<std::uint32_t, 2>>& stages() const override {
    static const std::vector<std::array<std::uint32_t, 2>> stages{{0, 2}, {2, 3}};
    return stages;
  }

 private:
  static TensorView scratch(std::uint64_t rows) {
    return shared_queue().workspace().allocate(DType::f32, {rows, kWide});
  }
  TensorView x_, gate_, up_, m_;
};

class ApiqBwTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kTokens = 24, kSamples = 4;
  static constexpr std::uint64_t kHidden = SmallBlock::kHidden, kWide = SmallBlock::kWide;

  ApiqBwTest() {
    const std::pair<std::uint64_t, std::uint64_t> shapes[] = {
        {kWide, kHidden}, {kWide, kHidden}, {kHidden, kWide}};
    for (std::uint32_t l = 0; l < 3; ++l) {
      original_.push_back(random_floats(shapes[l].first * shapes[l].second, 1 + l, -0.3f, 0.3f));
      weights_.push_back(upload(original_.back(), {shapes[l].first, shapes[l].second}));
    }
    const BlockFunction::Forward dense = [this](std::uint32_t l, const TensorView& x, const TensorView& y) {
      ops::matmul_nt(shared_queue(), runtime::Rounding::none, x, weights_[l], y);
    };
    for (std::uint32_t i = 0; i < kSamples; ++i) {
      auto clean = random_floats(kTokens * kHidden, 10 + i);
      const auto noise = random_floats(kTokens * kHidden, 20 + i, -0.05f, 0.05f);
      targets_.push_back(output(upload(clean, {kTokens, kHidden}), dense));
      for (std::size_t j = 0; j < clean.size(); ++j) clean[j] += noise[j];
      inputs_.push_back(upload(clean, {kTokens, kHidden}));
    }
  }

  DeviceTensor output(const TensorView& x, const BlockFunction::Forward& linear) {
    DeviceTensor y = testing::device_tensor(x.shape);
    runtime::Workspace::Scope scope(shared_queue().workspace());
    block_.forward(x, linear, y);
    return y;
  }

  quant::BlockProblem problem(std::uint32_t rank, const TrainOptions& train) {
    for (std::uint32_t l = 0; l < 3; ++l)
      shared_queue().write(weights_[l], original_[l].data());  // latent weights of the run before
    quant::BlockProblem p{.queue = shared_queue(),
                          .name = "test",
                          .block = block_,
                          .linears = {},
                          .train = train,
                          .num_samples = kSamples,
                          .tokens_per_sample = kTokens,
                          .hidden_size = kHidden,
                          .input = [this](std::uint32_t i) { return inputs_[i].view(); },
                          .target = [this](std::uint32_t i) { return targets_[i].view(); },
                          .training_begins = [] {},
                          .step_done = [this](std::uint64_t steps) { steps_ = steps; }};
    for (std::uint32_t l = 0; l < 3; ++l)
      p.linears.push_back(
          {"linear" + std::to_string(l), l, weights_[l], true, {2, 16, false, true}, rank, 8});
    return p;
  }

  static TrainOptions training(std::uint32_t epochs) {
    return {.epochs = epochs, .lora_learning_rate = 2e-3f, .clip_learning_rate = 5e-3f};
  }

  quant::BlockResult solve(const quant::BlockProblem& p) {
    return quant::make_method(ApiqBwOptions())->quantize_block(p);
  }

  /// Mean squared error of the block with what is stored, run as inference runs it; linears that were left
  /// dense with their weight.
  double error_of(const std::vector<QuantizedLinear>& stored) {
    std::vector<model::Linear> linears;
    for (const QuantizedLinear& linear : stored)
      linears.push_back(linear.weight.planes.empty() ? model::Linear()
                                                     : model::Linear::packed(shared_queue(), linear));
    double total = 0;
    for (std::uint32_t i = 0; i < kSamples; ++i) {
      const auto got =
          download(output(inputs_[i], [&](std::uint32_t l, const TensorView& x, const TensorView& y) {
            if (stored[l].weight.planes.empty())
              ops::matmul_nt(shared_queue(), runtime::Rounding::none, x, weights_[l], y);
            else linears[l].forward(shared_queue(), runtime::Rounding::none, x, y);
          }));
      const auto wanted = download(targets_[i]);
      for (std::size_t j = 0; j < got.size(); ++j) total += std::pow(got[j] - wanted[j], 2);
    }
    return total / (kSamples * kTokens * kHidden);
  }

  double rtn_error() {
    const auto p = problem(0, {});
    std::vector<QuantizedLinear> rounded;
    for (const auto& l : p.linears) {
      rounded.push_back(quant::make_method(RtnOptions())
                            ->quantize_linear({.queue = shared_queue(),
                                               .name = l.name,
                                               .weight = l.weight,
                                               .spec = l.spec,
                                               .train = {},
                                               .input = {},
                                               .target = {},
                                               .training_begins = {},
                                               .step_done = {}})
                            .linear);
    }
    return error_of(rounded);
  }

  static void expect_same(const quant::BlockResult& a, const quant::BlockResult& b) {
    EXPECT_EQ(a.epoch_losses, b.epoch_losses);
    for (std::size_t l = 0; l < 3; ++l) {
      EXPECT_TRUE(a.linears[l].weight == b.linears[l].weight);
      EXPECT_EQ(a.linears[l].lora_A, b.linears[l].lora_A);
      EXPECT_EQ(a.linears[l].lora_B, b.linears[l].lora_B);
    }
  }

  SmallBlock block_;
  std::vector<std::vector<float>> original_;
  std::vector<DeviceTensor> weights_, inputs_, targets_;
  std::uint64_t steps_ = 0;
};

TEST_F(ApiqBwTest, TrainingBeatsRoundingAndLoraHelps) {
  const double rtn = rtn_error();
  const auto clipped = solve(problem(0, training(20))), adapted = solve(problem(8, training(20)));
  EXPECT_EQ(steps_, 20u * kSamples);
  EXPECT_EQ(adapted.epoch_losses.size(), 20u);
  EXPECT_LT(error_of(clipped.linears), rtn);
  EXPECT_LT(error_of(adapted.linears), 0.7 * error_of(clipped.linears));
  // The loss of the last epoch is the mean over parameters that still moved, and what is stored is rounded to
  // binary16.
  EXPECT_NEAR(error_of(adapted.linears), adapted.epoch_losses.back(), 0.15 * adapted.epoch_losses.back());
}

TEST_F(ApiqBwTest, SameProblemSameBytesAndAnotherSeedOthers) {
  const auto first = solve(problem(4, training(3)));
  expect_same(first, solve(problem(4, training(3))));
  auto other = problem(4, training(3));
  other.linears[0].seed = 99;
  EXPECT_NE(solve(other).linears[0].lora_A, first.linears[0].lora_A);
}

TEST_F(ApiqBwTest, ComputingEffectiveWeightsAgainChangesNoByte) {
  auto train = training(3);
  train.weight_learning_rate = 1e-3f;
  const auto kept = solve(problem(4, train));
  auto again = problem(4, train);
  again.keep_effective_weights = false;
  expect_same(kept, solve(again));
}

TEST_F(ApiqBwTest, ALinearThatIsNotQuantizedStaysAsItIs) {
  auto p = problem(4, training(10));
  p.linears[SmallBlock::kUp].quantize = false;
  const auto result = solve(p);
  EXPECT_TRUE(result.linears[SmallBlock::kUp].weight.planes.empty());
  EXPECT_EQ(download(weights_[SmallBlock::kUp]), original_[SmallBlock::kUp]);
  EXPECT_LT(error_of(result.linears), error_of(solve(problem(4, training(10))).linears));
}

TEST_F(ApiqBwTest, LatentWeightsHelpAndAreOverwritten) {
  auto train = training(20);
  train.weight_learning_rate = 1e-3f;
  const double without = error_of(solve(problem(0, training(20))).linears);
  const auto with = solve(problem(0, train));
  EXPECT_LT(error_of(with.linears), 0.8 * without);
  EXPECT_NE(download(weights_[0]), original_[0]);
}

TEST_F(ApiqBwTest, BatchesTakeFewerSteps) {
  auto train = training(10);
  train.batch_size = 2;
  const auto result = solve(problem(4, train));
  EXPECT_EQ(steps_, 10u * kSamples / 2);
  EXPECT_LT(result.epoch_losses.back(), result.epoch_losses.front());
}

/// Before the first step the loss is a mean over samples, however they are batched.
TEST_F(ApiqBwTest, TheLossDoesNotDependOnTheBatchSize) {
  auto still = training(1);
  still.lora_learning_rate = still.clip_learning_rate = 0;
  const double one = solve(problem(4, still)).epoch_losses[0];
  still.batch_size = 2;
  EXPECT_NEAR(solve(problem(4, still)).epoch_losses[0], one, 1e-5 * one);
  auto weighted = problem(4, still);
  weighted.target_weight = 2;
  weighted.loss_offset = 0.25;
  EXPECT_NEAR(solve(weighted).epoch_losses[0], 2 * one + 0.25, 2e-5 * one + 1e-7);
}

TEST_F(ApiqBwTest, LoraStartsLowerTheErrorBeforeAnyStep) {
  const double kaiming = error_of(solve(problem(8, training(0))).linears);
  for (const LoraInit init : {LoraInit::svd, LoraInit::svd_saliency, LoraInit::cloq}) {
    auto train = training(0);
    train.lora_init = init;
    EXPECT_LT(error_of(solve(problem(8, train)).linears), 0.8 * kaiming) << static_cast<int>(init);
  }
}

TEST_F(ApiqBwTest, StepsWithoutAFiniteLossAreSkippedAndCounted) {
  auto poisoned = download(targets_[1]);
  poisoned[5] = std::nanf("");
  shared_queue().write(targets_[1], poisoned.data());
  auto train = training(5);
  train.weight_learning_rate = 1e-3f;
  const auto result = solve(problem(4, train));
  EXPECT_EQ(result.skipped_steps, 5u);
  for (const QuantizedLinear& linear : result.linears)
    for (const auto value : linear.lora_B) ASSERT_TRUE(std::isfinite(half_to_float(value)));
  for (const float w : download(weights_[0])) ASSERT_TRUE(std::isfinite(w));
}

}  // namespace
}  // namespace apiq
