// Kernels of cl/quant/fake_quant.cl against fp64 references, and the references' gradients against finite differences.
#include "ops/fake_quant.hpp"

#include <cmath>
#include <limits>

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

// Groups below, at and above the vector width, ragged ones, whole rows, one group, and more groups than one work-group takes.
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
  return std::to_string(spec.bits) + " bits, groups of " + std::to_string(spec.group_size) + (spec.symmetric ? ", symmetric" : "") +
         (spec.clip ? ", clip" : "");
}

/// Weights with everything the forward and backward passes make of them on the device.
struct OnDevice {
  OnDevice(const QuantSpec& quant, const std::vector<float>& weights, std::uint64_t rows, const std::vector<float>& up, const std::vector<float>& low)
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
    fake_quant_bwd(shared_queue(), spec, w, scale, zero, xmin, xmax, upbound, lowbound, d_what, d_upbound, d_lowbound);
  }

  QuantSpec spec;
  Shape shape, grid;
  PlacedTensor w, upbound, lowbound;
  PlacedTensor xmin{grid}, xmax{grid}, scale{grid}, zero{grid}, what{shape}, d_upbound{grid}, d_lowbound{grid};
  PlacedTensor codes{shape, DType::u8}, scales{grid, DType::f16}, zeros{grid, DType::u8};
};

OnDevice random_case(const QuantSpec& spec, const Sizes& sizes) {
  const std::size_t groups = sizes.rows * sizes.in / sizes.group_size;
  return OnDevice(spec, random_floats(sizes.rows * sizes.in, 1), sizes.rows, random_floats(groups, 2, -2.0f, 6.0f),
                  random_floats(groups, 3, -2.0f, 6.0f));
}

/// The scale is the clamped raw scale up to its own rounding (exp 3 ulp, four more operations, all terms of one sign: 8 units). The
/// zero point likewise, given that scale.
void expect_grid(const OnDevice& device) {
  const auto xmin = device.xmin.floats(), xmax = device.xmax.floats(), up = device.upbound.floats(), low = device.lowbound.floats();
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
  const auto w = device.w.floats(), scale = device.scale.floats(), zero = device.zero.floats(), what = device.what.floats();
  const auto expected = reference::fake_quant_fwd(device.spec, w, scale, zero);
  const auto expected_codes = reference::codes(device.spec, w, scale, zero);
  const auto codes = device.codes.integers<std::uint8_t>(), zeros = device.zeros.integers<std::uint8_t>();
  const auto scales = device.scales.floats();
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::size_t group = i / device.spec.group_size;
    ASSERT_EQ(what[i], static_cast<float>(expected[i])) << "weight " << i;
    ASSERT_EQ(codes[i], expected_codes[i]) << "weight " << i;
    ASSERT_EQ(what[i], scale[group] * (static_cast<float>(codes[i]) - static_cast<float>(zeros[group]))) << "weight " << i;
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
      SCOPED_TRACE(std::to_string(sizes.rows) + " rows of " + std::to_string(sizes.in) + ", " + text_of(spec));
      const OnDevice device = random_case(spec, sizes);
      const auto range = reference::group_range(device.w.floats(), spec.group_size);
      EXPECT_EQ(device.xmin.floats(), std::vector<float>(range.xmin.begin(), range.xmin.end()));
      EXPECT_EQ(device.xmax.floats(), std::vector<float>(range.xmax.begin(), range.xmax.end()));
      expect_grid(device);
      expect_values(device);
    }
}

reference::ClipGradients reference_gradients(const OnDevice& device, const std::vector<float>& gradient) {
  return reference::fake_quant_bwd(device.spec, device.w.floats(), device.scale.floats(), device.zero.floats(), device.xmin.floats(),
                                   device.xmax.floats(), device.upbound.floats(), device.lowbound.floats(), gradient);
}

TEST(FakeQuant, BackwardMatchesReference) {
  for (const Sizes& sizes : kSizes)
    for (const QuantSpec& spec : all_specs(sizes.group_size)) {
      SCOPED_TRACE(std::to_string(sizes.rows) + " rows of " + std::to_string(sizes.in) + ", " + text_of(spec));
      OnDevice device = random_case(spec, sizes);
      const auto gradient = random_floats(sizes.rows * sizes.in, 4);
      device.backward(gradient);
      const auto expected = reference_gradients(device, gradient);
      const auto up = device.d_upbound.floats(), low = device.d_lowbound.floats();
      // Sequential additions per lane, the tree over at most 64 lanes, and a dozen operations on terms and factor (exp 3 ulp twice).
      const double units = sizes.group_size / 16.0 + 6 + 24;
      for (std::size_t i = 0; i < up.size(); ++i) {
        ASSERT_NEAR(up[i], expected.d_upbound[i], units * kUnit * expected.magnitude[i]) << "group " << i;
        ASSERT_NEAR(low[i], expected.d_lowbound[i], units * kUnit * expected.magnitude[i]) << "group " << i;
      }
    }
}

/// sum of gradient * what of one group as a function of its logits, with every rounding frozen as it is at (upbound, lowbound):
/// inside the grid what = w + s * (rint(u) - u), outside s * (clamped code - zero), s = raw scale + its rounding, or its clamp.
class FrozenLoss {
 public:
  FrozenLoss(const OnDevice& device, std::size_t group, const std::vector<float>& gradient) : spec_(device.spec), gradient_(gradient) {
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
    const double scale = clamped ? scale_ : scale_ + raw(upbound, lowbound) - raw_;
    const double qmax = (1u << spec_.bits) - 1;
    double sum = 0;
    for (std::size_t i = 0; i < w_.size(); ++i) {
      const double u = static_cast<float>(static_cast<double>(w_[i]) / scale_), code = std::nearbyint(u) + zero_;
      const double what = code < 0 ? scale * -zero_ : code > qmax ? scale * (qmax - zero_) : w_[i] + scale * (std::nearbyint(u) - u);
      sum += gradient_[i] * what;
    }
    return sum;
  }

 private:
  double raw(double upbound, double lowbound) const { return reference::raw_grid(spec_, xmin_, xmax_, upbound, lowbound).scale; }

  QuantSpec spec_;
  std::vector<float> w_, gradient_;
  double scale_ = 0, zero_ = 0, xmin_ = 0, xmax_ = 0, raw_ = 0;
};

void expect_finite_differences(const OnDevice& device, const std::vector<float>& gradient) {
  const auto expected = reference_gradients(device, gradient);
  const auto up = device.upbound.floats(), low = device.lowbound.floats(), xmin = device.xmin.floats(), xmax = device.xmax.floats();
  constexpr double h = 1e-4;
  for (std::size_t i = 0; i < up.size(); ++i) {
    const FrozenLoss loss(device, i, gradient);
    const double d_up = (loss(up[i] + h, low[i]) - loss(up[i] - h, low[i])) / (2 * h);
    const double d_low = (loss(up[i], low[i] + h) - loss(up[i], low[i] - h)) / (2 * h);
    // h^2 / 6 of the third derivative (the sigmoid's is at most half its first), and fp64 cancellation in the loss. At the kink of
    // equal sides the difference is one-sided: h / 4 of the second derivative, which is at most the first, twice the shared one.
    const bool kink = device.spec.symmetric && xmax[i] == -xmin[i] && up[i] == low[i];
    const double tolerance = kink ? h / 2 * expected.magnitude[i] : 1e-8 * (expected.magnitude[i] + 1e-3);
    EXPECT_NEAR(expected.d_upbound[i], d_up, tolerance) << "group " << i;
    EXPECT_NEAR(expected.d_lowbound[i], d_low, tolerance) << "group " << i;
  }
}

TEST(FakeQuant, ReferenceGradientsAreFiniteDifferences) {
  for (const Sizes& sizes : {Sizes{3, 12, 4}, Sizes{2, 86, 43}, Sizes{2, 128, 64}})
    for (const QuantSpec& spec : all_specs(sizes.group_size)) {
      SCOPED_TRACE(text_of(spec));
      expect_finite_differences(random_case(spec, sizes), random_floats(sizes.rows * sizes.in, 5));
    }
}

// One group of four per row: all zero, constant, all positive, all negative, |hi| = |lo|, too small and too large for binary16 scales.
const std::vector<float> kEdgeGroups = {0,     0,  0, 0,  0.02f, 0.02f,  0.02f, 0.02f,  3,     1, 2,    0.5f,  -1,   -2,
                                        -0.1f, -3, 1, -1, 0.5f,  -0.25f, 1e-6f, -1e-6f, 5e-7f, 0, 1e6f, -3e7f, 2e7f, 100};

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
      // 2e7 over 2^8 - 1 steps does not reach the upper limit of the scale; at 8 bits that group is an ordinary one.
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
  // Plain min-max with 0 in the range: a constant group spans the whole grid, so it is represented up to the rounding of its scale.
  for (const float c : {0.02f, -0.02f, 7.0f, -7.0f}) {
    const OnDevice device({2, 4, false, false}, std::vector<float>(4, c), 1, {0.0f}, {0.0f});
    for (const float x : device.what.floats()) EXPECT_NEAR(x, c, std::abs(c) * 0x1p-11);
  }
}

TEST(FakeQuant, TiesRoundToEven) {
  // Range [-1, 2] at 2 bits: scale exactly 1, zero point 1. Half-way values go to the even multiple before the zero point is added.
  const std::vector<float> w = {-1.0f, 2.0f, 0.5f, 1.5f, -0.5f, 0.49999997f, 0.50000006f, -0.50000006f};
  const std::vector<float> expected = {-1, 2, 0, 2, 0, 0, 1, -1};
  const OnDevice device({2, 8, false, false}, w, 1, {0.0f}, {0.0f});
  EXPECT_EQ(device.scale.floats()[0], 1.0f);
  EXPECT_EQ(device.zero.floats()[0], 1.0f);
  EXPECT_EQ(device.what.floats(), expected);
}

TEST(FakeQuant, CodesComeFromTheScaleBeforeItsRounding) {
  // Scale 1 + 2^-11 is a tie between the binary16 numbers 1 and 1 + 2^-10: stored as the even 1. Half of it lies
  // midway between levels 0 and 1 and goes to the even 0; divided by the stored 1 it would have gone to level 1.
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
    const OnDevice clipped({2, 64, symmetric, true}, w, 2, std::vector<float>(4, inf), std::vector<float>(4, inf));
    const OnDevice plain({2, 64, symmetric, false}, w, 2, std::vector<float>(4, 0.0f), std::vector<float>(4, 0.0f));
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

TEST(FakeQuant, RefusesWhatDoesNotFit) {
  const PlacedTensor w({2, 6}), grid({2, 2}), what({2, 6}), other({2, 3});
  EXPECT_THROW(group_range(shared_queue(), w, 4, grid, grid), ShapeError);
  EXPECT_THROW(group_range(shared_queue(), w, 0, grid, grid), ShapeError);
  EXPECT_THROW(group_range(shared_queue(), w, 3, grid, other), ShapeError);
  EXPECT_THROW(fake_quant_fwd(shared_queue(), {5, 3, false, true}, w, grid, grid, what), InvalidArgument);
  EXPECT_THROW(fake_quant_fwd(shared_queue(), {2, 3, false, true}, w, grid, grid, other), ShapeError);
  const PlacedTensor half({2, 6}, DType::f16);
  EXPECT_THROW(fake_quant_fwd(shared_queue(), {2, 3, false, true}, half, grid, grid, what), ShapeError);
}

}  // namespace
}  // namespace apiq::ops
