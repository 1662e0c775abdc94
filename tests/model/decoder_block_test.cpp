// Every family's block as a function of its linears: forward against inference's own, forward and backward
// against the fp64 reference of the same description, differentiated by central differences.
#include "model/decoder_block.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "cases/block_reference.hpp"
#include "cases/device_fixture.hpp"
#include "family/family.hpp"
#include "ops/gemm.hpp"

namespace apiq {
namespace {

using model::DecoderBlock;
using runtime::DeviceTensor;
using runtime::TensorView;
using testing::Doubles;
using testing::download;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;

constexpr std::uint64_t kTokens = 5, kSequences = 2, kRows = kTokens * kSequences;

/// Grouped queries, and q features that are not the hidden size.
ModelConfig small_config(const Family& family) {
  ModelConfig c;
  c.hidden_size = 24;
  c.intermediate_size = 40;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 8;
  c.max_position_embeddings = 16;
  c.rms_norm_eps = 1e-5f;
  c.block = family.block(c);
  return c;
}

Doubles doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

/// Up to eight f32 operations in a row, each a sum of at most 40 terms: some hundred roundings of 2^-24
/// relative to the largest value.
void expect_close(const Doubles& device, const Doubles& exact, const std::string& name) {
  double largest = 0;
  for (const double value : exact) largest = std::max(largest, std::abs(value));
  ASSERT_GT(largest, 0) << name;
  ASSERT_EQ(device.size(), exact.size()) << name;
  for (std::size_t i = 0; i < exact.size(); ++i)
    ASSERT_NEAR(device[i], exact[i], 3e-5 * largest) << name << " " << i;
}

class DecoderBlockTest : public ::testing::TestWithParam<const Family*> {
 protected:
  DecoderBlockTest() {
    for (std::uint32_t n = 0; n < spec_.norms.size(); ++n) {
      const auto norm = random_floats(spec_.norms[n].width, 30 + n, 0.5f, 1.5f);
      norms_.push_back(upload(norm, {spec_.norms[n].width}));
      exact_.norms.push_back(doubles(norm));
    }
    for (std::uint32_t l = 0; l < spec_.linears.size(); ++l) {
      const Shape shape{spec_.linears[l].out_features, spec_.linears[l].in_features};
      w_.push_back(random_floats(shape.elements(), 10 + l, -0.5f, 0.5f));
      weights_.push_back(upload(w_[l], shape));
      exact_.weights.push_back(doubles(w_[l]));
      const auto bias = random_floats(spec_.linears[l].bias ? shape[0] : 0, 50 + l);
      exact_.biases.push_back(doubles(bias));
      biases_.push_back(bias.empty() ? DeviceTensor() : upload(bias, {shape[0]}));
    }
    exact_.config = config_;
    exact_.sequences = kSequences;
    exact_.tokens = kTokens;
    exact_.x = doubles(x_);
    exact_.dy = doubles(dy_);
    exact_.moved.resize(spec_.slots.size());
  }

  DecoderBlock make(bool input_gradient = false) const {
    DecoderBlock block(shared_queue(), spec_, rope_, kTokens, input_gradient);
    block.set_vectors(norms_, biases_);
    return block;
  }

  /// What a step through the block saw and gave.
  struct Step {
    std::vector<float> y, dx;
    std::vector<std::vector<float>> G;        // by linear
    std::vector<std::vector<float>> d_input;  // by stage; none of stage 0 without dx
  };

  Step step(bool input_gradient = false) {
    Step out;
    out.G.resize(spec_.linears.size());
    out.d_input.resize(spec_.stages.size());
    DecoderBlock block = make(input_gradient);
    runtime::Workspace::Scope scope(shared_queue().workspace());
    const DeviceTensor y = testing::device_tensor({kRows, config_.hidden_size}),
                       dy = upload(dy_, {kRows, config_.hidden_size});
    block.forward(x_view_, forward(), y);
    out.y = download(y);
    const TensorView dx =
        block.backward(dy, [&](std::uint32_t l, const TensorView& x, const TensorView& d_out,
                               const TensorView& d_in, bool accumulate) {
          if (d_in.memory != nullptr) {
            ops::matmul_nn(shared_queue(), runtime::Rounding::none, d_out, weights_[l], d_in, 1.0f,
                           accumulate ? 1.0f : 0.0f);
            out.d_input[stage_of(l)] = download(d_in);
          }
          const DeviceTensor gradient = testing::device_tensor(weights_[l].shape());
          ops::matmul_tn(shared_queue(), runtime::Rounding::none, d_out, x, gradient);
          out.G[l] = download(gradient);
        });
    if (dx.memory != nullptr) out.dx = download(dx);
    return out;
  }

  model::LinearForward forward() const {
    return [this](std::uint32_t l, const TensorView& x, const TensorView& y) {
      ops::matmul_nt(shared_queue(), runtime::Rounding::none, x, weights_[l], y);
    };
  }

  std::size_t stage_of(std::uint32_t linear) const {
    std::size_t stage = 0;
    while (spec_.stages[stage].end <= linear) ++stage;
    return stage;
  }

  ModelConfig config_ = small_config(*GetParam());
  const BlockSpec& spec_ = config_.block;
  std::vector<float> x_ = random_floats(kRows * config_.hidden_size, 1),
                     dy_ = random_floats(kRows * config_.hidden_size, 2);
  DeviceTensor x_view_ = upload(x_, {kRows, config_.hidden_size});
  model::RopeTables rope_{shared_queue(), config_, kTokens};
  std::vector<DeviceTensor> norms_, biases_;
  std::vector<std::vector<float>> w_;
  std::vector<DeviceTensor> weights_;
  testing::BlockReference exact_;
};

TEST_P(DecoderBlockTest, ForwardIsThatOfInference) {
  model::Block block;
  for (const Doubles& norm : exact_.norms)
    block.norms.push_back(upload(std::vector<float>(norm.begin(), norm.end()), {norm.size()}));
  for (std::uint32_t l = 0; l < spec_.linears.size(); ++l) {
    block.linears.push_back(model::Linear::dense(shared_queue(), {"weight", DType::f32, weights_[l].shape()},
                                                 std::as_bytes(std::span<const float>(w_[l]))));
    if (biases_[l].empty()) continue;
    const std::vector<float> bias = download(biases_[l]);
    block.linears.back().set_bias(shared_queue(), {"bias", DType::f32, biases_[l].shape()},
                                  std::as_bytes(std::span(bias)));
  }
  const DeviceTensor x = upload(x_, {kRows, config_.hidden_size});
  const model::BlockPlan plan = model::forward_plan(spec_, kTokens, DType::f32);
  for (std::uint64_t s = 0; s < kSequences; ++s) {
    const DeviceTensor k = testing::device_tensor({kTokens, config_.kv_features()}),
                       v = testing::device_tensor({kTokens, config_.kv_features()});
    model::block_forward(shared_queue(), runtime::Rounding::none, spec_, plan, rope_, block,
                         x.view().rows(s * kTokens, kTokens), {k, v}, 0);
  }
  EXPECT_EQ(step().y, download(x));
}

TEST_P(DecoderBlockTest, ForwardMatchesTheReference) {
  expect_close(doubles(step().y), exact_.output(), "y");
}

TEST_P(DecoderBlockTest, GradientsOfEveryLinearMatchCentralDifferences) {
  const Step found = step();
  for (std::uint32_t l = 0; l < spec_.linears.size(); ++l)
    expect_close(doubles(found.G[l]), exact_.gradient(exact_.weights[l]), std::string(spec_.linears[l].name));
}

TEST_P(DecoderBlockTest, GradientsOfEveryStageInputMatchCentralDifferences) {
  const Step found = step();
  EXPECT_TRUE(found.d_input[0].empty());  // nothing trained lies before the first stage
  const auto cuts = model::stage_cuts(spec_);
  for (std::uint32_t stage = 1; stage < cuts.size(); ++stage) {
    Doubles& moved = exact_.moved[cuts[stage].input];
    moved.assign(found.d_input[stage].size(), 0.0);
    expect_close(doubles(found.d_input[stage]), exact_.gradient(moved), "stage " + std::to_string(stage));
    moved.clear();
  }
}

/// What chains blocks: the same gradients, and on to the block's input.
TEST_P(DecoderBlockTest, GradientOfTheInputMatchesCentralDifferences) {
  const Step without = step(), found = step(true);
  EXPECT_TRUE(without.dx.empty());
  EXPECT_EQ(found.y, without.y);
  EXPECT_EQ(found.G, without.G);
  expect_close(doubles(found.dx), exact_.gradient(exact_.x), "dx");
}

/// A sequence's output and gradients must not depend on its neighbour in the batch.
TEST_P(DecoderBlockTest, SequencesOfABatchDoNotMix) {
  const auto before = step().y;
  for (std::size_t i = kTokens * config_.hidden_size; i < x_.size(); ++i) x_[i] = -x_[i];
  shared_queue().write(x_view_, x_.data());
  const auto after = step().y;
  const std::size_t half = before.size() / 2;
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(half), after.begin()));
  EXPECT_FALSE(std::equal(before.begin() + static_cast<std::ptrdiff_t>(half), before.end(),
                          after.begin() + static_cast<std::ptrdiff_t>(half)));
}

TEST_P(DecoderBlockTest, StageInputsAreThoseOfForward) {
  std::vector<std::vector<float>> seen(spec_.stages.size());
  const auto watch = [&](std::uint32_t l, const TensorView& x, const TensorView& y) {
    if (spec_.stages[stage_of(l)].first == l) seen[stage_of(l)] = download(x);
    ops::matmul_nt(shared_queue(), runtime::Rounding::none, x, weights_[l], y);
  };
  DecoderBlock block = make();
  {
    runtime::Workspace::Scope scope(shared_queue().workspace());
    block.forward(x_view_, watch, testing::device_tensor({kRows, config_.hidden_size}));
  }
  const auto wanted = seen;
  for (std::uint32_t stage = 0; stage < spec_.stages.size(); ++stage) {
    runtime::Workspace::Scope scope(shared_queue().workspace());
    std::uint32_t calls = 0;
    const TensorView input =
        block.stage_input(x_view_, stage, [&](std::uint32_t l, const TensorView& x, const TensorView& y) {
          ++calls;
          watch(l, x, y);
        });
    EXPECT_EQ(download(input), wanted[stage]) << stage;
    EXPECT_EQ(calls, spec_.stages[stage].first) << stage;  // all linears before the stage, none of it
  }
}

INSTANTIATE_TEST_SUITE_P(Families, DecoderBlockTest,
                         ::testing::ValuesIn(families().begin(), families().end()),
                         [](const auto& family) { return std::string(family.param->model_type); });

}  // namespace
}  // namespace apiq
