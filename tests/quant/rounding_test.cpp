// Which products of training round their inputs is what they are told, not who is on the stack: on a device
// whose matrix unit (the emulated one) has passed its trials, the same step gives the same bits from every
// caller.
#include <gtest/gtest.h>

#include "cases/device_fixture.hpp"
#include "ops/fast_path/fast_path.hpp"
#include "ops/gemm.hpp"
#include "quant/trained_linear.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

using runtime::DeviceTensor;
using runtime::Rounding;

constexpr std::uint64_t kRows = 20, kOut = 24, kIn = 40;
constexpr std::uint32_t kRank = 4;

class TrainingRounds : public ::testing::Test {
 protected:
  void SetUp() override {
    DeviceOptions options;
    if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
    device_ = runtime::Device::open(options);
    const auto& table = ops::fast_path_table();
    ops::settle(device_->queue(), table,
                runtime::FastPathSetting::parse("emulated.bf16", ops::names_of(table)),
                runtime::FastPathCache(device_->info(), folder_.path()));
  }
  DeviceTensor tensor(const Shape& shape, std::uint32_t seed) {
    DeviceTensor out(*device_, DType::f32, shape, "test tensor");
    device_->queue().write(out, testing::random_floats(shape.elements(), seed).data());
    return out;
  }
  /// dB of a fresh layer whose `step` was called once.
  template <class Step>
  std::vector<float> dB_after(const Step& step) {
    runtime::Queue& queue = device_->queue();
    const DeviceTensor weight = tensor({kOut, kIn}, 1), loss = tensor({1}, 2);
    quant::TrainedLinear layer(queue, weight, {{2, 8, false, true}, kRank, 16.0f, 5},
                               {.lora_learning_rate = 1e-3f, .clip_learning_rate = 1e-3f}, true);
    queue.write(layer.lora().B(), testing::random_floats(kOut * kRank, 4).data());
    step(layer, quant::StepInfo{1, 1.0, loss});
    return runtime::read_floats(queue, layer.lora().dB());
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<runtime::Device> device_;
};

TEST_F(TrainingRounds, AsItIsToldWhoeverCalls) {
  runtime::Queue& queue = device_->queue();
  ASSERT_NE(ops::chosen_path(queue, Rounding::bf16, ops::ProductKind::dense_tn, kOut), nullptr);
  const DeviceTensor x = tensor({kRows, kIn}, 6), dy = tensor({kRows, kOut}, 7), G = tensor({kOut, kIn}, 8);
  const auto from_backward =
      dB_after([&](auto& layer, const auto& info) { layer.backward(info, x, dy, {}, false); });
  const auto from_rows = [&](Rounding rounding) {
    return dB_after([&](auto& layer, const auto& info) {
      ops::matmul_tn(queue, Rounding::bf16, dy, x, G);
      layer.backward_rows(info, rounding, 0, G);
    });
  };
  EXPECT_EQ(from_rows(device_->rounding(runtime::Work::gradient)), from_backward);
  EXPECT_NE(from_rows(Rounding::none), from_backward) << "nothing was rounded, so this test shows nothing";
}

}  // namespace
}  // namespace apiq
