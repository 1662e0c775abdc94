// One linear under training: its output and every gradient on the device against the same formulas in fp64,
// those against central differences, and what must not change anything.
#include "quant/trained_linear.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cases/device_fixture.hpp"
#include "ops/gemm.hpp"
#include "ops/reference/fake_quant.hpp"

namespace apiq {
namespace {

using optim::StepInfo;
using quant::LinearSetup;
using quant::TrainedLinear;
using runtime::DeviceTensor;
using runtime::TensorView;
using testing::download;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;
using Doubles = std::vector<double>;

struct Sizes {
  std::uint64_t rows, out, in;
  std::uint32_t rank;
};

Doubles doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

/// What the layer holds, in fp64 arithmetic: y = x (What + c B A)^T.
struct Exact {
  Sizes s;
  double c = 0;
  Doubles what, A, B, x, dy;  // dy: the gradient that comes in, so that the objective is sum(y * dy)

  Doubles effective() const {
    Doubles m = what;
    for (std::size_t o = 0; o < s.out; ++o)
      for (std::size_t r = 0; r < s.rank; ++r)
        for (std::size_t i = 0; i < s.in; ++i) m[o * s.in + i] += c * B[o * s.rank + r] * A[r * s.in + i];
    return m;
  }
  Doubles output() const {
    const Doubles m = effective();
    Doubles y(s.rows * s.out);
    for (std::size_t t = 0; t < s.rows; ++t)
      for (std::size_t o = 0; o < s.out; ++o)
        for (std::size_t i = 0; i < s.in; ++i) y[t * s.out + o] += x[t * s.in + i] * m[o * s.in + i];
    return y;
  }
  double objective() const {
    const Doubles y = output();
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  }
  /// Of the objective, by central differences; it is linear in each of the members, so only fp64 rounding
  /// remains.
  Doubles gradient(Doubles Exact::*member) const {
    Exact moved = *this;
    Doubles out((this->*member).size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double at = (this->*member)[i];
      (moved.*member)[i] = at + 0.5;
      const double up = moved.objective();
      (moved.*member)[i] = at - 0.5;
      out[i] = up - moved.objective();
      (moved.*member)[i] = at;
    }
    return out;
  }
};

/// Sums of at most 64 products of numbers near 1 in f32, over up to three products in a row: a few hundred
/// roundings of 2^-24 of the largest.
void expect_close(const std::vector<float>& device, const Doubles& exact, const char* name) {
  double largest = 0;
  for (const double value : exact) largest = std::max(largest, std::abs(value));
  ASSERT_GT(largest, 0) << name;
  ASSERT_EQ(device.size(), exact.size()) << name;
  for (std::size_t i = 0; i < exact.size(); ++i)
    ASSERT_NEAR(device[i], exact[i], 2e-5 * largest) << name << " " << i;
}

constexpr float kRate = 1e-3f;

/// A layer in the middle of training: logits that clip, a B that is not zero.
struct Layer {
  Layer(const Sizes& sizes, const ops::QuantSpec& spec, bool keep, float weight_rate = 0)
      : s(sizes),
        w(random_floats(s.out * s.in, 1)),
        weight(upload(w, {s.out, s.in})),
        linear(shared_queue(), weight, LinearSetup{spec, s.rank, 16.0f, 5},
               TrainOptions{.lora_learning_rate = kRate,
                            .clip_learning_rate = kRate,
                            .weight_learning_rate = weight_rate},
               keep) {
    const auto& logits = linear.grid().logits();
    logit = random_floats(logits.elements(), 6, 0.5f, 3.0f);
    shared_queue().write(logits, logit.data());
    linear.grid().update();
    if (s.rank != 0) shared_queue().write(linear.lora().B(), random_floats(s.out * s.rank, 4).data());
  }
  Exact exact(const std::vector<float>& x, const std::vector<float>& dy) {
    const auto scale = download(linear.grid().scale()), zero = download(linear.grid().zero());
    Exact e{s,
            linear.lora().scaling(),
            ops::reference::fake_quant_fwd(spec(), w, scale, zero),
            {},
            {},
            doubles(x),
            doubles(dy)};
    if (s.rank != 0) e.A = doubles(download(linear.lora().A())), e.B = doubles(download(linear.lora().B()));
    return e;
  }
  /// Gradients of logits and weight from that of What: the reference backward pass, itself checked by
  /// differences in ops/fake_quant_test.
  ops::reference::FakeQuantGradients through_the_grid(const Doubles& d_what) {
    const auto range = ops::reference::group_range(w, spec().group_size);
    const std::vector<float> xmin(range.xmin.begin(), range.xmin.end()),
        xmax(range.xmax.begin(), range.xmax.end()), g(d_what.begin(), d_what.end());
    const auto half = logit.begin() + static_cast<std::ptrdiff_t>(logit.size() / 2);
    return ops::reference::fake_quant_bwd(spec(), w, download(linear.grid().scale()),
                                          download(linear.grid().zero()), xmin, xmax, {logit.begin(), half},
                                          {half, logit.end()}, g);
  }
  const ops::QuantSpec& spec() const { return linear.spec(); }

  Sizes s;
  std::vector<float> w, logit;
  DeviceTensor weight;
  TrainedLinear linear;
};

StepInfo info() {
  static const DeviceTensor loss = upload({1.0f}, {1});
  return {1, 1.0, loss};
}

class TrainedLinearTest : public ::testing::TestWithParam<std::tuple<Sizes, ops::QuantSpec, bool>> {};

TEST_P(TrainedLinearTest, OutputAndGradientsMatchFiniteDifferences) {
  const auto& [s, spec, keep] = GetParam();
  Layer layer(s, spec, keep);
  const auto x = random_floats(s.rows * s.in, 2), dy = random_floats(s.rows * s.out, 3),
             before = random_floats(s.rows * s.in, 7);
  const auto input = upload(x, {s.rows, s.in}), d_out = upload(dy, {s.rows, s.out}),
             dx = upload(before, {s.rows, s.in});
  const auto y = testing::device_tensor({s.rows, s.out});
  const Exact exact = layer.exact(x, dy);
  layer.linear.forward(input, y);
  expect_close(download(y), exact.output(), "y");
  layer.linear.backward(info(), input, d_out, dx, false);
  const Doubles d_input = exact.gradient(&Exact::x);
  expect_close(download(dx), d_input, "dx");
  if (s.rank != 0) {
    expect_close(download(layer.linear.lora().dA()), exact.gradient(&Exact::A), "dA");
    expect_close(download(layer.linear.lora().dB()), exact.gradient(&Exact::B), "dB");
  }
  const auto grid = layer.through_the_grid(exact.gradient(&Exact::what));
  Doubles d_logits = grid.d_upbound;
  d_logits.insert(d_logits.end(), grid.d_lowbound.begin(), grid.d_lowbound.end());
  expect_close(download(layer.linear.d_logits()), d_logits, "d_logits");
  // Added to what is there.
  shared_queue().write(dx, before.data());
  layer.linear.backward(info(), input, d_out, dx, true);
  Doubles sum = d_input;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += before[i];
  expect_close(download(dx), sum, "accumulated dx");
}

/// Adam's first step is -rate * g / (|g| + eps): its sign and that it is there say what the gradient was, if
/// that is not tiny.
TEST_P(TrainedLinearTest, LatentWeightsStepWhereTheCodeIsNotClipped) {
  const auto& [s, spec, keep] = GetParam();
  Layer layer(s, spec, keep, kRate);
  const auto x = random_floats(s.rows * s.in, 2), dy = random_floats(s.rows * s.out, 3);
  const auto grid = layer.through_the_grid(layer.exact(x, dy).gradient(&Exact::what));
  layer.linear.backward(info(), upload(x, {s.rows, s.in}), upload(dy, {s.rows, s.out}), {}, false);
  const auto after = download(layer.weight);
  std::size_t moved = 0, held = 0;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const double g = grid.d_w[i];
    if (std::abs(g) < 1e-3 && g != 0) continue;
    // |w| <= 1, so the subtraction rounds by at most 2^-24; eps = 1e-8 is 1e-5 of the smallest gradient
    // looked at.
    EXPECT_NEAR(after[i], layer.w[i] - (g == 0 ? 0.0 : std::copysign(kRate, g)), 1e-7 + 2e-5 * kRate) << i;
    ++(g == 0 ? held : moved);
  }
  EXPECT_GT(moved, after.size() / 2);
  EXPECT_GT(held, 0u);  // the logits above do clip
}

/// G in two pieces, as a matrix too large for one slab is handled.
TEST_P(TrainedLinearTest, RowsOfTheGradientMayComeInPieces) {
  const auto& [s, spec, keep] = GetParam();
  Layer whole(s, spec, keep, kRate), pieces(s, spec, keep, kRate);
  const auto gradient = random_floats(s.out * s.in, 9);
  const auto first = upload(gradient, {s.out, s.in}), second = upload(gradient, {s.out, s.in});
  whole.linear.backward_rows(info(), runtime::Rounding::none, 0, first);
  const std::uint64_t cut = s.out / 3;
  pieces.linear.backward_rows(info(), runtime::Rounding::none, 0, second.view().rows(0, cut));
  pieces.linear.backward_rows(info(), runtime::Rounding::none, cut, second.view().rows(cut, s.out - cut));
  EXPECT_EQ(download(whole.linear.d_logits()), download(pieces.linear.d_logits()));
  EXPECT_EQ(download(whole.weight), download(pieces.weight));
  if (s.rank == 0) return;
  EXPECT_EQ(download(whole.linear.lora().dB()), download(pieces.linear.lora().dB()));
  expect_close(download(pieces.linear.lora().dA()), doubles(download(whole.linear.lora().dA())),
               "dA");  // a sum over rows, in two parts
}

INSTANTIATE_TEST_SUITE_P(
    Quant, TrainedLinearTest,
    ::testing::Combine(::testing::Values(Sizes{7, 10, 24, 0}, Sizes{7, 10, 24, 3}, Sizes{16, 33, 40, 8}),
                       ::testing::Values(ops::QuantSpec{2, 8, false, true}, ops::QuantSpec{3, 4, true, true},
                                         ops::QuantSpec{4, 8, true, true}),
                       ::testing::Bool()));

TEST(TrainedLinear, KeepingTheEffectiveWeightChangesNoBit) {
  const Sizes s{16, 33, 40, 8};
  Layer kept(s, {2, 8, false, true}, true, kRate), computed(s, {2, 8, false, true}, false, kRate);
  const auto x = upload(random_floats(s.rows * s.in, 2), {s.rows, s.in}),
             dy = upload(random_floats(s.rows * s.out, 3), {s.rows, s.out});
  const auto y = testing::device_tensor({s.rows, s.out}), dx = testing::device_tensor({s.rows, s.in});
  std::vector<std::vector<float>> outputs, gradients;
  for (Layer* layer : {&kept, &computed}) {
    for (std::uint32_t step = 1; step <= 3; ++step) {
      StepInfo at = info();
      at.step = step;
      layer->linear.forward(x, y);
      layer->linear.backward(at, x, dy, dx, false);
      layer->linear.step(at);
    }
    layer->linear.forward(x, y);
    outputs.push_back(download(y));
    gradients.push_back(download(dx));
  }
  EXPECT_EQ(outputs[0], outputs[1]);
  EXPECT_EQ(gradients[0], gradients[1]);
  const QuantizedLinear a = kept.linear.store(), b = computed.linear.store();
  EXPECT_TRUE(a.weight == b.weight);
  EXPECT_EQ(a.lora_A, b.lora_A);
  EXPECT_EQ(a.lora_B, b.lora_B);
}

/// One infinite element of G: nothing of that step may enter parameters or moments, and the steps after it
/// are those of a training that never saw it.
TEST(TrainedLinear, AStepWithAGradientThatIsNotFiniteIsSkippedWhole) {
  const Sizes s{16, 33, 40, 8};
  const ops::QuantSpec spec{2, 8, false, true};
  Layer disturbed(s, spec, true, kRate), calm(s, spec, true, kRate);
  const Doubles passed = calm.through_the_grid(Doubles(s.out * s.in, 1.0)).d_w;
  const auto at =
      std::find_if(passed.begin(), passed.end(), [](double d) { return d != 0; }) - passed.begin();
  const auto step = [&](Layer& layer, std::uint32_t number, std::uint32_t seed, bool bad) {
    auto gradient = random_floats(s.out * s.in, seed);
    if (bad) gradient[static_cast<std::size_t>(at)] = INFINITY;
    const DeviceTensor loss = upload({1.0f}, {1});
    const StepInfo info{number, 1.0, loss};
    layer.linear.backward_rows(info, runtime::Rounding::none, 0, upload(gradient, {s.out, s.in}));
    layer.linear.guard(info);
    layer.linear.step(info);
    return download(loss)[0];
  };
  const auto parameters = [&](Layer& layer) {
    std::vector<float> out = download(layer.weight);
    for (const TensorView& part : {layer.linear.grid().logits(), layer.linear.lora().parameters()}) {
      const auto values = download(part);
      out.insert(out.end(), values.begin(), values.end());
    }
    return out;
  };
  for (std::uint32_t number = 1; number <= 2; ++number) {
    EXPECT_EQ(step(disturbed, number, 20 + number, false), 1.0f);
    step(calm, number, 20 + number, false);
  }
  const auto before = parameters(disturbed);
  EXPECT_EQ(before, parameters(calm));
  EXPECT_TRUE(std::isnan(step(disturbed, 3, 9, true))) << "so that the loop counts it";
  EXPECT_EQ(parameters(disturbed), before);
  for (std::uint32_t number = 3; number <= 5; ++number) {
    EXPECT_EQ(step(disturbed, number + 1, 20 + number, false), 1.0f);
    step(calm, number, 20 + number, false);
  }
  const auto found = parameters(disturbed), expected = parameters(calm);
  // Corrections by expm1 on the device instead of by the host: an update differs by a few roundings.
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-5 * kRate + 3e-7) << i;
}

double relative_error(TrainedLinear& linear, const std::vector<float>& w) {
  runtime::Workspace::Scope scope(shared_queue().workspace());
  const auto m = download(linear.effective());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < w.size(); ++i)
    difference += std::pow(m[i] - w[i], 2), size += std::pow(w[i], 2);
  return difference / size;
}

TEST(TrainedLinear, StartOfLoraLowersTheWeightErrorWhateverItSeesItThrough) {
  const std::uint64_t out = 48, in = 64;
  const auto w = random_floats(out * in, 1);
  const auto weight = upload(w, {out, in});
  std::vector<float> diagonal(in);
  for (std::size_t i = 0; i < in; ++i) diagonal[i] = 0.5f + static_cast<float>(i % 3);
  const DeviceTensor moments = upload(diagonal, {in});
  for (const TensorView& seen : {TensorView{}, moments.view()}) {
    TrainedLinear linear(shared_queue(), weight, LinearSetup{{2, 32, false, true}, 16, 16.0f, 3},
                         TrainOptions{}, true);
    const double before = relative_error(linear, w);
    linear.start_lora(seen);
    // 16 of 48 singular values of a random matrix hold well over a third of its squares.
    EXPECT_LT(relative_error(linear, w), 0.6 * before);
  }
}

/// A weight that is on the grid leaves nothing to repair: B must be zero, A must not, or LoRA could never
/// learn.
TEST(TrainedLinear, LoraThatHasNothingToRepairCanStillLearn) {
  const std::uint64_t out = 8, in = 32;
  const auto weight = upload(std::vector<float>(out * in, 0.0f), {out, in});
  TrainedLinear linear(shared_queue(), weight, LinearSetup{{2, 32, false, true}, 4, 16.0f, 3}, TrainOptions{},
                       true);
  linear.start_lora({});
  for (const float b : download(linear.lora().B())) EXPECT_EQ(b, 0.0f);
  for (const float a : download(linear.lora().A())) EXPECT_NE(a, 0.0f);
}

}  // namespace
}  // namespace apiq
