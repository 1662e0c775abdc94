// Kernels of cl/quant/fake_quant.cl against fp64 references, and the references' gradients against finite
// differences.
#include "ops/fake_quant.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "cases/placed_tensor.hpp"
#include "ops/reference/fake_quant.hpp"

namespace apiq::ops {
namespace {

using testing::PlacedTensor;
using testing::random_floats;
using testing::shared_queue;

constexpr double kUnit = 0x1p-24;  // rounding of one f32 operation

struct Sizes {
  std::uint64_t rows, in;
  std::uint32_t group_size;
};

// Groups below, at and above the vector width, ragged ones, whole rows, one group, and more groups than one
// work-group takes.
const std::vector<Sizes> kSizes = {{1, 4, 4},   {17, 8, 4},   {3, 43, 43},     {5, 172, 43},  {4, 48, 16},
                                   {3, 96, 32}, {7, 192, 64}, {2, 4100, 4100}, {300, 128, 64}};

std::vector<QuantSpec> all_specs(std::uint32_t group_size) {
  std::vector<QuantSpec> specs;
  for (const std::uint32_t bits : {2u, 3u, 4u, 8u})
    for (const bool symmetric : {false, true})
      for (const bool clip : {true, false}) specs.push_back({bits, group_size, symmetric, clip});
  return specs;
}

std::string text_of(const QuantSpec& spec) {
  return std::to_string(spec.bits) + " bits, groups of " + std::to_string(spec.group_size) +
         (spec.symmetric ? ", symmetric" : "") + (spec.clip ? ", clip" : "");
}

/// Weights with everything the forward and backward passes make of them on the device.
struct OnDevice {
  OnDevice(const QuantSpec& quant, const std::vector<float>& weights, std::uint64_t rows,
           const std::vector<float>& up, const std::vector<float>& low)
      : spec(quant),
        shape{rows, weights.size() / rows},
        grid{rows, weights.size() / rows / quant.group_size},
        w(weights, shape),
        upbound(up, grid),
        lowbound(low, grid) {
    group_range(shared_queue(), w, spec.group_size, xmin, xmax);
    quant_grid(shared_queue(), spec, xmin, xmax, upbound, lowbound, scale, zero);
    fake_quant_fwd(shared_queue(), spec, w, scale, zero, what);
    quantize_codes(shared_queue(), spec, w, scale, zero, codes, scales, zeros);
  }

  void backward(const std::vector<float>& gradient) {
    const PlacedTensor d_what(gradient, shape);
    fake_quant_bwd(shared_queue(), spec, w, scale, zero, xmin, xmax, upbound, lowbound, d_what, d_upbound,
                   d_lowbound);
  }

  void backward_with_weights(const std::vector<float>& gradient) {
    const PlacedTensor d_what(gradient, shape);
    fake_quant_bwd(shared_queue(), spec, w, scale, zero, xmin, xmax, upbound, lowbound, d_what, d_upbound,
                   d_lowbound, d_w);
  }

  /// Other weights on the grid of those given first: training moves them while their range stays.
  void replace_weights(const std::vector<float>& weights) { shared_queue().write(w, weights.data()); }

  QuantSpec spec;
  Shape shape, grid;
  PlacedTensor w, upbound, lowbound;
  PlacedTensor xmin{grid}, xmax{grid}, scale{grid}, zero{grid}, what{shape}, d_upbound{grid},
      d_lowbound{grid}, d_w{shape};
  PlacedTensor codes{shape, DType::u8}, scales{grid, DType::f16}, zeros{grid, DType::u8};
};

OnDevice random_case(const QuantSpec& spec, const Sizes& sizes) {
  const std::size_t groups = sizes.rows * sizes.in / sizes.group_size;
  return OnDevice(spec, random_floats(sizes.rows * sizes.in, 1), sizes.rows,
                  random_floats(groups, 2, -2.0f, 6.0f), random_floats(groups, 3, -2.0f, 6.0f));
}

/// The scale is the clamped raw scale up to its own rounding (exp 3 ulp, four more operations, all terms of
/// one sign: 8 units). The zero point likewise, given that scale.
void expect_grid(const OnDevice& device) {
  const auto xmin = device.xmin.floats(), xmax = device.xmax.floats(), up = device.upbound.floats(),
             low = device.lowbound.floats();
  const auto scale = device.scale.floats(), zero = device.zero.floats();
  for (std::size_t i = 0; i < scale.size(); ++i) {
    const auto raw = reference::raw_grid(device.spec, xmin[i], xmax[i], up[i], low[i]);
    const double slack = 8 * kUnit;
    EXPECT_GE(scale[i], reference::grid_scale(raw.scale * (1 - slack))) << "group " << i;
    EXPECT_LE(scale[i], reference::grid_scale(raw.scale * (1 + slack))) << "group " << i;
    EXPECT_GE(zero[i], reference::grid_zero(device.spec, raw.lo * (1 - slack), scale[i])) << "group " << i;
    EXPECT_LE(zero[i], reference::grid_zero(device.spec, raw.lo * (1 + slack), scale[i])) << "group " << i;
  }
}

/// On the device's grid nothing is left to rounding: values, codes and stored grid are compared exactly.
void expect_values(const OnDevice& device) {
  const auto w = device.w.floats(), scale = device.scale.floats(), zero = device.zero.floats(),
             what = device.what.floats();
  const auto expected = reference::fake_quant_fwd(device.spec, w, scale, zero);
  const auto expected_codes = reference::codes(device.spec, w, scale, zero);
  const auto codes = device.codes.integers<std::uint8_t>(), zeros = device.zeros.integers<std::uint8_t>();
  const auto scales = device.scales.floats();
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::size_t group = i / device.spec.group_size;
    ASSERT_EQ(what[i], static_cast<float>(expected[i])) << "weight " << i;
    ASSERT_EQ(codes[i], expected_codes[i]) << "weight " << i;
    ASSERT_EQ(what[i], scale[group] * (static_cast<float>(codes[i]) - static_cast<float>(zeros[group])))
        << "weight " << i;
  }
  for (std::size_t group = 0; group < scale.size(); ++group) {
    EXPECT_EQ(scales[group], reference::rounded_to_half(scale[group])) << "group " << group;
    EXPECT_EQ(zeros[group], zero[group]) << "group " << group;
    EXPECT_LT(zeros[group], 1u << device.spec.bits);
  }
}

TEST(FakeQuant, ForwardMatchesReference) {
  for (const Sizes& sizes : kSizes)
    for (const QuantSpec& spec : all_specs(sizes.group_size)) {
      SCOPED_TRACE(std::to_string(sizes.rows) + " rows of " + std::to_string(sizes.in) + ", " +
                   text_of(spec));
      const OnDevice device = random_case(spec, sizes);
      const auto range = reference::group_range(device.w.floats(), spec.group_size);
      EXPECT_EQ(device.xmin.floats(), std::vector<float>(range.xmin.begin(), range.xmin.end()));
      EXPECT_EQ(device.xmax.floats(), std::vector<float>(range.xmax.begin(), range.xmax.end()));
      expect_grid(device);
      expect_values(device);
    }
}

reference::FakeQuantGradients reference_gradients(const OnDevice& device,
                                                  const std::vector<float>& gradient) {
  return reference::fake_quant_bwd(device.spec, device.w.floats(), device.scale.floats(),
                                   device.zero.floats(), device.xmin.floats(), device.xmax.floats(),
                                   device.upbound.floats(), device.lowbound.floats(), gradient);
}

void expect_clip_gradients(const OnDevice& device, const reference::FakeQuantGradients& expected) {
  const auto up = device.d_upbound.floats(), low = device.d_lowbound.floats();
  // Sequential additions per lane, the tree over at most 64 lanes, and a dozen operations on terms and factor
  // (exp 3 ulp twice).
  const double units = device.spec.group_size / 16.0 + 6 + 24;
  for (std::size_t i = 0; i < up.size(); ++i) {
    ASSERT_NEAR(up[i], expected.d_upbound[i], units * kUnit * expected.magnitude[i]) << "group " << i;
    ASSERT_NEAR(low[i], expected.d_lowbound[i], units * kUnit * expected.magnitude[i]) << "group " << i;
  }
}

TEST(FakeQuant, BackwardMatchesReference) {
  for (const Sizes& sizes : kSizes)
    for (const QuantSpec& spec : all_specs(sizes.group_size)) {
      SCOPED_TRACE(std::to_string(sizes.rows) + " rows of " + std::to_string(sizes.in) + ", " +
                   text_of(spec));
      OnDevice device = random_case(spec, sizes);
      const auto gradient = random_floats(sizes.rows * sizes.in, 4);
      device.backward(gradient);
      expect_clip_gradients(device, reference_gradients(device, gradient));
    }
}

TEST(FakeQuant, BackwardOfTrainedWeightsMatchesReference) {
  for (const Sizes& sizes : kSizes)
    for (const QuantSpec& spec : all_specs(sizes.group_size)) {
      SCOPED_TRACE(std::to_string(sizes.rows) + " rows of " + std::to_string(sizes.in) + ", " +
                   text_of(spec));
      OnDevice device = random_case(spec, sizes);
      // Half again as far from 0 as the range goes.
      device.replace_weights(random_floats(sizes.rows * sizes.in, 8, -1.5f, 1.5f));
      const auto gradient = random_floats(sizes.rows * sizes.in, 4);
      device.backward(gradient);
      const auto up = device.d_upbound.floats(), low = device.d_lowbound.floats();
      device.backward_with_weights(gradient);
      const auto expected = reference_gradients(device, gradient);
      expect_clip_gradients(device, expected);
      EXPECT_EQ(device.d_upbound.floats(), up) << "with d_w or without";
      EXPECT_EQ(device.d_lowbound.floats(), low);
      EXPECT_EQ(device.d_w.floats(),
                std::vector<float>(expected.d_w.begin(),
                                   expected.d_w.end()));  // passed on or not: nothing is rounded
    }
}

TEST(FakeQuant, WeightGradientMayReplaceTheOneItComesFrom) {
  OnDevice device = random_case({2, 43, false, true}, {5, 172, 43});
  const auto gradient = random_floats(5 * 172, 4);
  device.backward_with_weights(gradient);
  const auto d_w = device.d_w.floats(), up = device.d_upbound.floats();
  shared_queue().write(device.d_w, gradient.data());
  fake_quant_bwd(shared_queue(), device.spec, device.w, device.scale, device.zero, device.xmin, device.xmax,
                 device.upbound, device.lowbound, device.d_w, device.d_upbound, device.d_lowbound,
                 device.d_w);
  EXPECT_EQ(device.d_w.floats(), d_w);
  EXPECT_EQ(device.d_upbound.floats(), up);
  EXPECT_NE(d_w, gradient) << "no weight was clipped: the case tests nothing";
}

TEST(FakeQuant, WeightGradientNeedsNoLogitsWithoutClipping) {
  OnDevice device = random_case({3, 16, true, false}, {4, 48, 16});
  device.replace_weights(random_floats(4 * 48, 8, -1.5f, 1.5f));
  const auto gradient = random_floats(4 * 48, 4);
  const PlacedTensor d_what(gradient, device.shape);
  fake_quant_bwd(shared_queue(), device.spec, device.w, device.scale, device.zero, device.xmin, device.xmax,
                 {}, {}, d_what, device.d_upbound, device.d_lowbound, device.d_w);
  const auto expected = reference_gradients(device, gradient);
  EXPECT_EQ(device.d_w.floats(), std::vector<float>(expected.d_w.begin(), expected.d_w.end()));
  for (const float d : device.d_upbound.floats()) EXPECT_EQ(d, 0.0f);
  for (const float d : device.d_lowbound.floats()) EXPECT_EQ(d, 0.0f);
}

/// sum of gradient * what of one group as a function of its logits, with every rounding frozen as it is at
/// (upbound, lowbound): inside the grid what = w + s * (rint(u) - u), outside s * (clamped code - zero), s =
/// raw scale + its rounding, or its clamp.
class FrozenLoss {
 public:
  FrozenLoss(const OnDevice& device, std::size_t group, const std::vector<float>& gradient)
      : spec_(device.spec), gradient_(gradient) {
    const std::size_t first = group * spec_.group_size;
    const auto w = device.w.floats();
    w_.assign(w.begin() + first, w.begin() + first + spec_.group_size);
    gradient_.assign(gradient.begin() + first, gradient.begin() + first + spec_.group_size);
    scale_ = device.scale.floats()[group];
    zero_ = device.zero.floats()[group];
    xmin_ = device.xmin.floats()[group];
    xmax_ = device.xmax.floats()[group];
    raw_ = raw(device.upbound.floats()[group], device.lowbound.floats()[group]);
  }

  double operator()(double upbound, double lowbound) const {
    const bool clamped = raw_ < 0x1p-14 || raw_ > 65504.0;
    return at_scale(clamped ? scale_ : scale_ + raw(upbound, lowbound) - raw_, 0, 0.0);
  }

  /// The same as a function of weight `i`, `step` from where it is.
  double moved(std::size_t i, double step) const { return at_scale(scale_, i, step); }

 private:
  double at_scale(double scale, std::size_t moved, double step) const {
    const double qmax = (1u << spec_.bits) - 1;
    double sum = 0;
    for (std::size_t i = 0; i < w_.size(); ++i) {
      const double u = static_cast<float>(static_cast<double>(w_[i]) / scale_),
                   code = std::nearbyint(u) + zero_;
      const double w = w_[i] + (i == moved ? step : 0.0);
      const double what = code < 0      ? scale * -zero_
                          : code > qmax ? scale * (qmax - zero_)
                                        : w + scale * (std::nearbyint(u) - u);
      sum += gradient_[i] * what;
    }
    return sum;
  }

  double raw(double upbound, double lowbound) const {
    return reference::raw_grid(spec_, xmin_, xmax_, upbound, lowbound).scale;
  }

  QuantSpec spec_;
  std::vector<float> w_, gradient_;
  double scale_ = 0, zero_ = 0, xmin_ = 0, xmax_ = 0, raw_ = 0;
};

void expect_finite_differences(const OnDevice& device, const std::vector<float>& gradient) {
  const auto expected = reference_gradients(device, gradient);
  const auto up = device.upbound.floats(), low = device.lowbound.floats(), xmin = device.xmin.floats(),
             xmax = device.xmax.floats();
  constexpr double h = 1e-4;
  for (std::size_t i = 0; i < up.size(); ++i) {
    const FrozenLoss loss(device, i, gradient);
    const double d_up = (loss(up[i] + h, low[i]) - loss(up[i] - h, low[i])) / (2 * h);
    const double d_low = (loss(up[i], low[i] + h) - loss(up[i], low[i] - h)) / (2 * h);
    // h^2 / 6 of the third derivative (the sigmoid's is at most half its first), and fp64 cancellation in the
    // loss. At the kink of equal sides the difference is one-sided: h / 4 of the second derivative, which is
    // at most the first, twice the shared one.
    const bool kink = device.spec.symmetric && xmax[i] == -xmin[i] && up[i] == low[i];
    const double tolerance = kink ? h / 2 * expected.magnitude[i] : 1e-8 * (expected.magnitude[i] + 1e-3);
    EXPECT_NEAR(expected.d_upbound[i], d_up, tolerance) << "group " << i;
    EXPECT_NEAR(expected.d_lowbound[i], d_low, tolerance) << "group " << i;
    // Linear in a weight: only fp64 cancellation in the loss, over 2 h.
    for (std::size_t k = 0; k < device.spec.group_size; ++k) {
      const double d_w = (loss.moved(k, h) - loss.moved(k, -h)) / (2 * h);
      EXPECT_NEAR(expected.d_w[i * device.spec.group_size + k], d_w,
                  0x1p-51 / h * (std::abs(loss.moved(k, 0)) + device.spec.group_size))
          << k;
    }
  }
}

TEST(FakeQuant, ReferenceGradientsAreFiniteDifferences) {
  for (const Sizes& sizes : {Sizes{3, 12, 4}, Sizes{2, 86, 43}, Sizes{2, 128, 64}})
    for (const QuantSpec& spec : all_specs(sizes.group_size)) {
      SCOPED_TRACE(text_of(spec));
      OnDevice device = random_case(spec, sizes);
      expect_finite_differences(device, random_floats(sizes.rows * sizes.in, 5));
      device.replace_weights(random_floats(sizes.rows * sizes.in, 9, -1.5f, 1.5f));
      expect_finite_differences(device, random_floats(sizes.rows * sizes.in, 5));
    }
}

// One group of four per row: all zero, constant, all positive, all negative, |hi| = |lo|, too small and too
// large for binary16 scales.
const std::vector<float> kEdgeGroups = {0,     0,      0,     0,  0.02f, 0.02f, 0.02f, 0.02f, 3,    1,
                                        2,     0.5f,   -1,    -2, -0.1f, -3,    1,     -1,    0.5f, -0.25f,
                                        1e-6f, -1e-6f, 5e-7f, 0,  1e6f,  -3e7f, 2e7f,  100};

TEST(FakeQuant, EdgeGroups) {
  for (const QuantSpec& spec : all_specs(4)) {
    SCOPED_TRACE(text_of(spec));
    const std::vector<float> logits(7, 4.0f);
    OnDevice device(spec, kEdgeGroups, 7, logits, logits);
    expect_grid(device);
    expect_values(device);
    const auto gradient = random_floats(kEdgeGroups.size(), 6);
    expect_finite_differences(device, gradient);
    device.backward(gradient);
    const auto up = device.d_upbound.floats(), low = device.d_lowbound.floats();
    for (const std::size_t clamped : {0u, 5u, 6u}) {
      // 2e7 over 2^8 - 1 steps does not reach the upper limit of the scale; at 8 bits that group is an
      // ordinary one.
      if (clamped == 6 && spec.bits == 8 && !spec.symmetric) continue;
      EXPECT_EQ(up[clamped], 0.0f) << "group " << clamped;
      EXPECT_EQ(low[clamped], 0.0f) << "group " << clamped;
    }
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(device.what.floats()[i], 0.0f);
    EXPECT_EQ(device.scale.floats()[0], 0x1p-14f);
    if (spec.symmetric && spec.clip) {
      ASSERT_NE(up[4], 0.0f);
      EXPECT_EQ(up[4], low[4]) << "equal sides share the gradient";
    }
  }
}

TEST(FakeQuant, ConstantGroupIsKept) {
  // Plain min-max with 0 in the range: a constant group spans the whole grid, so it is represented up to the
  // rounding of its scale.
  for (const float c : {0.02f, -0.02f, 7.0f, -7.0f}) {
    const OnDevice device({2, 4, false, false}, std::vector<float>(4, c), 1, {0.0f}, {0.0f});
    for (const float x : device.what.floats()) EXPECT_NEAR(x, c, std::abs(c) * 0x1p-11);
  }
}

TEST(FakeQuant, TiesRoundToEven) {
  // Range [-1, 2] at 2 bits: scale exactly 1, zero point 1. Half-way values go to the even multiple before
  // the zero point is added.
  const std::vector<float> w = {-1.0f, 2.0f, 0.5f, 1.5f, -0.5f, 0.49999997f, 0.50000006f, -0.50000006f};
  const std::vector<float> expected = {-1, 2, 0, 2, 0, 0, 1, -1};
  const OnDevice device({2, 8, false, false}, w, 1, {0.0f}, {0.0f});
  EXPECT_EQ(device.scale.floats()[0], 1.0f);
  EXPECT_EQ(device.zero.floats()[0], 1.0f);
  EXPECT_EQ(device.what.floats(), expected);
}

TEST(FakeQuant, CodesComeFromTheScaleBeforeItsRounding) {
  // Scale 1 + 2^-11 is a tie between the binary16 numbers 1 and 1 + 2^-10: stored as the even 1. Half of it
  // lies midway between levels 0 and 1 and goes to the even 0; divided by the stored 1 it would have gone to
  // level 1.
  const float scale = 1.0f + 0x1p-11f;
  const OnDevice device({2, 4, false, false}, {0.0f, 3 * scale, scale, scale / 2}, 1, {0.0f}, {0.0f});
  EXPECT_EQ(device.scale.floats()[0], scale);
  EXPECT_EQ(device.scales.floats()[0], 1.0f);
  EXPECT_EQ(device.codes.integers<std::uint8_t>(), (std::vector<std::uint8_t>{0, 3, 1, 0}));
}

TEST(FakeQuant, InfiniteLogitsArePlainMinMax) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const auto w = random_floats(256, 7);
  for (const bool symmetric : {false, true}) {
    const OnDevice clipped({2, 64, symmetric, true}, w, 2, std::vector<float>(4, inf),
                           std::vector<float>(4, inf));
    const OnDevice plain({2, 64, symmetric, false}, w, 2, std::vector<float>(4, 0.0f),
                         std::vector<float>(4, 0.0f));
    EXPECT_EQ(clipped.what.floats(), plain.what.floats());
    EXPECT_EQ(clipped.scale.floats(), plain.scale.floats());
  }
}

TEST(FakeQuant, NoLogitsAreNeededWithoutClipping) {
  const QuantSpec spec{4, 4, false, false};
  const PlacedTensor w(random_floats(8, 8), {2, 4}), xmin({2, 1}), xmax({2, 1}), scale({2, 1}), zero({2, 1});
  group_range(shared_queue(), w, 4, xmin, xmax);
  quant_grid(shared_queue(), spec, xmin, xmax, {}, {}, scale, zero);
  for (const float s : scale.floats()) EXPECT_GT(s, 0.0f);
}

/// The factor a logit stands for: 1.00 is written as 0.99.
double factor_of(float logit) {
  const double f = 1 / (1 + std::exp(-static_cast<double>(logit)));
  return f > 0.98 ? 1.0 : f;
}

/// The factor the device chose for each group is one of the thirteen, and none has a smaller error beyond
/// what rounding explains.
void expect_least_errors(const OnDevice& device) {
  mse_range(shared_queue(), device.spec, device.w, device.xmin, device.xmax, device.upbound, device.lowbound);
  const auto w = device.w.floats(), xmin = device.xmin.floats(), xmax = device.xmax.floats(),
             up = device.upbound.floats();
  EXPECT_EQ(device.lowbound.floats(), up);
  for (std::size_t group = 0; group < up.size(); ++group) {
    const std::size_t size = device.spec.group_size;
    const auto all =
        reference::mse_range(device.spec, std::span(w).subspan(group * size, size), xmin[group], xmax[group]);
    const auto chosen = static_cast<std::size_t>(std::lround((1 - factor_of(up[group])) * 20));
    ASSERT_LT(chosen, all.factors.size());
    const double f = std::min(all.factors[chosen], 0.99);
    EXPECT_NEAR(up[group], std::log(f / (1 - f)), 8 * kUnit * (1 + std::abs(up[group]))) << "group " << group;
    for (std::size_t i = 0; i < all.factors.size(); ++i)
      ASSERT_LE(all.errors[chosen] - all.roundings[chosen], all.errors[i] + all.roundings[i])
          << "group " << group << ": chose " << all.factors[chosen] << ", better is " << all.factors[i];
  }
}

TEST(MseRange, ChoosesTheLeastError) {
  for (const Sizes& sizes : kSizes)
    for (const QuantSpec& spec : all_specs(sizes.group_size)) {
      SCOPED_TRACE(std::to_string(sizes.rows) + " rows of " + std::to_string(sizes.in) + ", " +
                   text_of(spec));
      // Cubes of uniform numbers: heavy tails, so that different groups want different factors.
      auto w = random_floats(sizes.rows * sizes.in, 10);
      for (float& x : w) x = x * x * x;
      const std::vector<float> logits(w.size() / sizes.group_size, 0.0f);
      expect_least_errors(OnDevice(spec, w, sizes.rows, logits, logits));
    }
}

TEST(MseRange, EdgeGroups) {
  for (const QuantSpec& spec : all_specs(4)) {
    SCOPED_TRACE(text_of(spec));
    const std::vector<float> logits(7, 0.0f);
    const OnDevice device(spec, kEdgeGroups, 7, logits, logits);
    mse_range(shared_queue(), device.spec, device.w, device.xmin, device.xmax, device.upbound,
              device.lowbound);
    const auto up = device.upbound.floats();
    EXPECT_EQ(factor_of(up[0]), 1.0) << "all factors are equal on zeros: the largest";
    for (const float logit : up) EXPECT_TRUE(std::isfinite(logit));
  }
}

TEST(MseRange, GivesUpAnOutlier) {
  // The levels of the whole range -0.3 .. 1 at 2 bits miss 0.3 by 0.13, in half of the weights; a smaller
  // range misses one weight.
  std::vector<float> w(64);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = i % 2 == 0 ? 0.3f : -0.3f;
  w[5] = 1.0f;
  const OnDevice device({2, 64, false, true}, w, 1, {0.0f}, {0.0f});
  expect_least_errors(device);
  EXPECT_LT(factor_of(device.upbound.floats()[0]), 0.95);
}

TEST(FakeQuant, RefusesWhatDoesNotFit) {
  const PlacedTensor w({2, 6}), grid({2, 2}), what({2, 6}), other({2, 3});
  EXPECT_THROW(group_range(shared_queue(), w, 4, grid, grid), ShapeError);
  EXPECT_THROW(group_range(shared_queue(), w, 0, grid, grid), ShapeError);
  EXPECT_THROW(group_range(shared_queue(), w, 3, grid, other), ShapeError);
  EXPECT_THROW(fake_quant_fwd(shared_queue(), {5, 3, false, true}, w, grid, grid, what), InvalidArgument);
  EXPECT_THROW(fake_quant_fwd(shared_queue(), {2, 3, false, true}, w, grid, grid, other), ShapeError);
  EXPECT_THROW(mse_range(shared_queue(), {2, 3, false, true}, w, grid, grid, grid, other), ShapeError);
  EXPECT_THROW(fake_quant_bwd(shared_queue(), {2, 3, false, true}, w, grid, grid, grid, grid, grid, grid,
                              what, grid, grid, other),
               ShapeError);
  const PlacedTensor half({2, 6}, DType::f16);
  EXPECT_THROW(fake_quant_fwd(shared_queue(), {2, 3, false, true}, half, grid, grid, what), ShapeError);
}

}  // namespace
}  // namespace apiq::ops
