// The decoder block as a function of its linears: forward against inference's own block, forward and backward
// against a block put together from the fp64 references and differentiated by central differences.
#include "calib/decoder_block.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>

#include "cases/device_fixture.hpp"
#include "family/pre_norm_block.hpp"
#include "model/block.hpp"
#include "ops/gemm.hpp"
#include "ops/reference/attention.hpp"
#include "ops/reference/rmsnorm.hpp"
#include "ops/reference/rope.hpp"
#include "ops/reference/swiglu.hpp"

namespace apiq {
namespace {

using calib::DecoderBlock;
using calib::Keep;
using runtime::DeviceTensor;
using runtime::TensorView;
using testing::download;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;
using Doubles = std::vector<double>;

constexpr std::uint32_t kLinearCount = 7;
constexpr std::uint64_t kTokens = 5, kSequences = 2, kRows = kTokens * kSequences;

/// Grouped queries, and q features that are not the hidden size.
ModelConfig small_config() {
  ModelConfig c;
  c.hidden_size = 24;
  c.intermediate_size = 40;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 8;
  c.max_position_embeddings = 16;
  c.rms_norm_eps = 1e-5f;
  c.block = pre_norm_block(c);
  return c;
}

std::array<Shape, kLinearCount> shapes_of(const ModelConfig& c) {
  const Shape kv{c.kv_features(), c.hidden_size}, wide{c.intermediate_size, c.hidden_size};
  return {Shape{c.q_features(), c.hidden_size},     kv, kv, Shape{c.hidden_size, c.q_features()}, wide, wide,
          Shape{c.hidden_size, c.intermediate_size}};
}

Doubles doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

Doubles product(const Doubles& x, const Doubles& w, std::size_t rows, std::size_t out) {
  const std::size_t in = x.size() / rows;
  Doubles y(rows * out);
  for (std::size_t t = 0; t < rows; ++t)
    for (std::size_t o = 0; o < out; ++o) {
      double sum = 0;
      for (std::size_t i = 0; i < in; ++i) sum += x[t * in + i] * w[o * in + i];
      y[t * out + o] = sum;
    }
  return y;
}

void add_to(Doubles& a, const Doubles& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
}

/// The same block in fp64. moved: added to the inputs of the stages, to differentiate by them.
struct Exact {
  ModelConfig config = small_config();
  Doubles x, input_norm, post_norm, dy;
  std::array<Doubles, kLinearCount> w;
  std::array<Doubles, 4> moved;

  Doubles attention(const Doubles& q, const Doubles& k, const Doubles& v) const {
    Doubles out;
    const std::size_t heads = config.num_attention_heads, kv_heads = config.num_key_value_heads,
                      dim = config.head_dim;
    for (std::size_t s = 0; s < kSequences; ++s) {
      const auto part = [&](const Doubles& all, std::size_t features) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(s * kTokens * features);
        return Doubles(begin, begin + static_cast<std::ptrdiff_t>(kTokens * features));
      };
      const double theta = config.rope_theta;
      const Doubles qs = ops::reference::rope(part(q, heads * dim), heads, dim, theta, 0, false);
      const Doubles ks = ops::reference::rope(part(k, kv_heads * dim), kv_heads, dim, theta, 0, false);
      const auto a = ops::reference::attention_fwd(qs, ks, part(v, kv_heads * dim), heads, kv_heads, dim).out;
      out.insert(out.end(), a.begin(), a.end());
    }
    return out;
  }

  Doubles output() const {
    const auto shapes = shapes_of(config);
    const auto linear = [&](std::uint32_t l, const Doubles& in) {
      return product(in, w[l], kRows, shapes[l][0]);
    };
    const auto input = [&](std::uint32_t stage, Doubles in) {
      if (!moved[stage].empty()) add_to(in, moved[stage]);
      return in;
    };
    const Doubles h1 = input(0, ops::reference::rmsnorm_fwd(x, input_norm, config.rms_norm_eps));
    const Doubles a =
        input(1, attention(linear(model::kQ, h1), linear(model::kK, h1), linear(model::kV, h1)));
    Doubles x2 = linear(model::kO, a);
    add_to(x2, x);
    const Doubles h2 = input(2, ops::reference::rmsnorm_fwd(x2, post_norm, config.rms_norm_eps));
    Doubles y = linear(
        model::kDown, input(3, ops::reference::swiglu_fwd(linear(model::kGate, h2), linear(model::kUp, h2))));
    add_to(y, x2);
    return y;
  }

  double objective() const {
    const Doubles y = output();
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  }

  /// Of the objective by one of this object's own vectors. Steps of 1e-5: truncation and fp64 rounding are
  /// both about 1e-9.
  Doubles gradient(Doubles& values) {
    Doubles out(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double at = values[i], h = 1e-5;
      values[i] = at + h;
      const double up = objective();
      values[i] = at - h;
      out[i] = (up - objective()) / (2 * h);
      values[i] = at;
    }
    return out;
  }
};

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

class DecoderBlockTest : public ::testing::Test {
 protected:
  DecoderBlockTest() {
    const auto shapes = shapes_of(config_);
    for (std::uint32_t l = 0; l < kLinearCount; ++l) {
      w_.push_back(random_floats(shapes[l].elements(), 10 + l, -0.5f, 0.5f));
      weights_.push_back(upload(w_[l], shapes[l]));
      exact_.w[l] = doubles(w_[l]);
    }
    exact_.x = doubles(x_);
    exact_.dy = doubles(dy_);
    exact_.input_norm = doubles(norms_[0]);
    exact_.post_norm = doubles(norms_[1]);
  }

  DecoderBlock make(Keep keep) const {
    DecoderBlock block(shared_queue(), config_, rope_, kTokens, keep);
    block.set_norms(input_norm_, post_norm_);
    return block;
  }

  /// What a step through the block saw and gave.
  struct Step {
    std::vector<float> y;
    std::array<std::vector<float>, kLinearCount> G;
    std::array<std::vector<float>, 4> d_input;  // by stage; none of stage 0
    std::array<int, kLinearCount> calls{};      // of each linear's forward
  };

  Step step(Keep keep) {
    Step out;
    DecoderBlock block = make(keep);
    runtime::Workspace::Scope scope(shared_queue().workspace());
    const DeviceTensor y = testing::device_tensor({kRows, config_.hidden_size}),
                       dy = upload(dy_, {kRows, config_.hidden_size});
    block.forward(
        x_view_,
        [&](std::uint32_t l, const TensorView& x, const TensorView& result) {
          ++out.calls[l];
          ops::matmul_nt(shared_queue(), runtime::Rounding::none, x, weights_[l], result);
        },
        y);
    out.y = download(y);
    block.backward(dy, [&](std::uint32_t l, const TensorView& x, const TensorView& d_out,
                           const TensorView& dx, bool accumulate) {
      if (dx.memory != nullptr) {
        ops::matmul_nn(shared_queue(), runtime::Rounding::none, d_out, weights_[l], dx, 1.0f,
                       accumulate ? 1.0f : 0.0f);
        out.d_input[l == model::kO ? 1 : l == model::kDown ? 3 : 2] = download(dx);
      }
      const DeviceTensor gradient = testing::device_tensor(weights_[l].shape());
      ops::matmul_tn(shared_queue(), runtime::Rounding::none, d_out, x, gradient);
      out.G[l] = download(gradient);
    });
    return out;
  }

  ModelConfig config_ = small_config();
  std::vector<float> x_ = random_floats(kRows * config_.hidden_size, 1),
                     dy_ = random_floats(kRows * config_.hidden_size, 2);
  std::array<std::vector<float>, 2> norms_{random_floats(config_.hidden_size, 3, 0.5f, 1.5f),
                                           random_floats(config_.hidden_size, 4, 0.5f, 1.5f)};
  DeviceTensor x_view_ = upload(x_, {kRows, config_.hidden_size});
  DeviceTensor input_norm_ = upload(norms_[0], {config_.hidden_size}),
               post_norm_ = upload(norms_[1], {config_.hidden_size});
  model::RopeTables rope_{shared_queue(), config_, kTokens};
  std::vector<std::vector<float>> w_;
  std::vector<DeviceTensor> weights_;
  Exact exact_;
};

TEST_F(DecoderBlockTest, ForwardIsThatOfInference) {
  model::Block block;
  for (const auto& norm : norms_) block.norms.push_back(upload(norm, {config_.hidden_size}));
  for (std::uint32_t l = 0; l < kLinearCount; ++l)
    block.linears.push_back(model::Linear::dense(shared_queue(), {"weight", DType::f32, weights_[l].shape()},
                                                 std::as_bytes(std::span<const float>(w_[l]))));
  const DeviceTensor x = upload(x_, {kRows, config_.hidden_size});
  for (std::uint64_t s = 0; s < kSequences; ++s) {
    const DeviceTensor k = testing::device_tensor({kTokens, config_.kv_features()}),
                       v = testing::device_tensor({kTokens, config_.kv_features()});
    model::block_forward(shared_queue(), runtime::Rounding::none, config_, rope_, block,
                         x.view().rows(s * kTokens, kTokens), {k, v}, 0);
  }
  expect_close(doubles(step(Keep::all).y), doubles(download(x)), "y");
}

TEST_F(DecoderBlockTest, ForwardMatchesTheReference) {
  expect_close(doubles(step(Keep::all).y), exact_.output(), "y");
}

TEST_F(DecoderBlockTest, GradientsOfEveryLinearMatchCentralDifferences) {
  const Step found = step(Keep::all);
  const char* names[] = {"q", "k", "v", "o", "gate", "up", "down"};
  for (std::uint32_t l = 0; l < kLinearCount; ++l)
    expect_close(doubles(found.G[l]), exact_.gradient(exact_.w[l]), names[l]);
}

TEST_F(DecoderBlockTest, GradientsOfEveryStageInputMatchCentralDifferences) {
  const Step found = step(Keep::all);
  EXPECT_TRUE(found.d_input[0].empty());  // nobody needs the gradient of the block's input
  for (std::uint32_t stage = 1; stage < 4; ++stage) {
    exact_.moved[stage].assign(found.d_input[stage].size(), 0.0);
    expect_close(doubles(found.d_input[stage]), exact_.gradient(exact_.moved[stage]),
                 "stage " + std::to_string(stage));
    exact_.moved[stage].clear();
  }
}

TEST_F(DecoderBlockTest, ComputingTheMlpAgainChangesNoBit) {
  const Step all = step(Keep::all), attention = step(Keep::attention);
  EXPECT_EQ(all.y, attention.y);
  for (std::uint32_t l = 0; l < kLinearCount; ++l) {
    EXPECT_EQ(all.G[l], attention.G[l]) << l;
    EXPECT_EQ(all.calls[l], 1) << l;
    EXPECT_EQ(attention.calls[l], l == model::kGate || l == model::kUp ? 2 : 1) << l;  // not for nothing
  }
}

/// A sequence's output and gradients must not depend on its neighbour in the batch.
TEST_F(DecoderBlockTest, SequencesOfABatchDoNotMix) {
  const auto before = step(Keep::all).y;
  for (std::size_t i = kTokens * config_.hidden_size; i < x_.size(); ++i) x_[i] = -x_[i];
  shared_queue().write(x_view_, x_.data());
  const auto after = step(Keep::all).y;
  const std::size_t half = before.size() / 2;
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(half), after.begin()));
  EXPECT_FALSE(std::equal(before.begin() + static_cast<std::ptrdiff_t>(half), before.end(),
                          after.begin() + static_cast<std::ptrdiff_t>(half)));
}

TEST_F(DecoderBlockTest, StageInputsAreThoseOfForward) {
  std::array<std::vector<float>, 4> seen;
  const auto watch = [&](std::uint32_t l, const TensorView& x, const TensorView& y) {
    for (std::uint32_t stage = 0; stage < 4; ++stage)
      if (config_.block.stages[stage].first == l) seen[stage] = download(x);
    ops::matmul_nt(shared_queue(), runtime::Rounding::none, x, weights_[l], y);
  };
  DecoderBlock block = make(Keep::all);
  {
    runtime::Workspace::Scope scope(shared_queue().workspace());
    block.forward(x_view_, watch, testing::device_tensor({kRows, config_.hidden_size}));
  }
  const auto wanted = seen;
  for (std::uint32_t stage = 0; stage < 4; ++stage) {
    runtime::Workspace::Scope scope(shared_queue().workspace());
    std::uint32_t calls = 0;
    const TensorView input =
        block.stage_input(x_view_, stage, [&](std::uint32_t l, const TensorView& x, const TensorView& y) {
          ++calls;
          watch(l, x, y);
        });
    EXPECT_EQ(download(input), wanted[stage]) << stage;
    EXPECT_EQ(calls, config_.block.stages[stage].first) << stage;  // all linears before the stage, none of it
  }
}

}  // namespace
}  // namespace apiq
