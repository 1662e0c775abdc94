// Losses of ops/nn.hpp against fp64 references; gradients also against finite differences of the reference.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cases/placed_tensor.hpp"
#include "ops/nn.hpp"
#include "ops/reference/loss.hpp"

namespace apiq::ops {
namespace {

using testing::PlacedTensor;
using testing::random_floats;
using testing::rounded_to_half;
using testing::shared_queue;

constexpr double kUnit = 0x1p-24;      // rounding of one f32 operation
constexpr double kHalfUnit = 0x1p-11;  // rounding to binary16
constexpr double kHalfTiny = 0x1p-25;  // the same below its normal range
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct RowCase {
  std::uint64_t rows, vocab;
};
// Below, at and above vectors and blocks of them; one long row for the sums.
const std::vector<RowCase> kRowCases = {{1, 1},   {3, 2},   {2, 15},   {2, 16},  {5, 17},    {4, 255},
                                        {3, 256}, {2, 257}, {3, 5000}, {40, 97}, {1, 152064}};

std::vector<float> logits_of(const RowCase& c, DType dtype, std::uint32_t seed) {
  auto logits = random_floats(c.rows * c.vocab, seed, -12.0f, 12.0f);
  return dtype == DType::f16 ? rounded_to_half(logits) : logits;
}

std::vector<std::uint32_t> targets_of(const RowCase& c) {
  std::vector<std::uint32_t> targets;
  for (std::uint64_t r = 0; r < c.rows; ++r)
    targets.push_back(static_cast<std::uint32_t>((r * 7919 + c.vocab - 1) % c.vocab));
  return targets;
}

/// Error of log(sum(exp)) in the tests' range (spread 24): exp's argument rounds by 12 units and exp by 6, a
/// block's sum adds 16 + 4 roundings, a rising maximum rescales (6 units, a handful of times), the tree over
/// 256 items 8; then log and two additions of values up to 36.
constexpr double kLseTolerance = (12 + 6 + 20 + 36 + 8 + 3 * 36) * kUnit;

struct CrossEntropyOnDevice {
  CrossEntropyOnDevice(const std::vector<float>& values, const std::vector<std::uint32_t>& target,
                       DType dtype)
      : shape{target.size(), values.size() / target.size()},
        logits(values, shape, dtype),
        targets(testing::upload_integers(target, {target.size()})) {
    cross_entropy_fwd(shared_queue(), logits, targets, loss, argmax);
    cross_entropy_bwd(shared_queue(), logits, targets, 0.5f, d_logits);
  }
  Shape shape;
  PlacedTensor logits;
  runtime::DeviceTensor targets;
  PlacedTensor loss{{shape[0]}}, argmax{{shape[0]}, DType::u32}, d_logits{shape, logits.view().dtype};
};

TEST(CrossEntropy, MatchesReference) {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const RowCase& c : kRowCases) {
      SCOPED_TRACE(std::to_string(c.rows) + " x " + std::to_string(c.vocab) + " " +
                   std::string(name_of(dtype)));
      const auto logits = logits_of(c, dtype, 1);
      const auto targets = targets_of(c);
      const CrossEntropyOnDevice device(logits, targets, dtype);
      const auto expected = reference::cross_entropy_fwd(logits, targets);
      const auto loss = device.loss.floats();
      for (std::size_t r = 0; r < c.rows; ++r)
        EXPECT_NEAR(loss[r], expected.loss[r], kLseTolerance) << "row " << r;
      EXPECT_EQ(device.argmax.integers<std::uint32_t>(), expected.argmax);

      const auto gradient = device.d_logits.floats();
      const auto expected_gradient = reference::cross_entropy_bwd(logits, targets, 0.5);
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        // A probability carries the relative error of the sum; at the target 1 is subtracted from it.
        double tolerance = kLseTolerance * (std::abs(expected_gradient[i]) +
                                            (i % c.vocab == targets[i / c.vocab] ? 1.0 : 0.0)) +
                           0x1p-149;
        if (dtype == DType::f16) tolerance += std::abs(expected_gradient[i]) * kHalfUnit + kHalfTiny;
        ASSERT_NEAR(gradient[i], expected_gradient[i], tolerance) << "element " << i;
      }
    }
}

TEST(CrossEntropy, ReferenceGradientIsFiniteDifference) {
  auto logits = random_floats(3 * 11, 2, -3.0f, 3.0f);
  const std::vector<std::uint32_t> targets = {0, 10, 4};
  const auto gradient = reference::cross_entropy_bwd(logits, targets, 1.0);
  constexpr float h = 0x1p-10f;  // exact in f32 steps below 4
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float old = logits[i];
    const float up = old + h, down = old - h;
    logits[i] = up;
    const double high = reference::cross_entropy_fwd(logits, targets).loss[i / 11];
    logits[i] = down;
    const double low = reference::cross_entropy_fwd(logits, targets).loss[i / 11];
    logits[i] = old;
    // h^2 / 6 of the third derivative, which is below 1/8; and f32 rounding of the two positions, up to 2^-22
    // each.
    EXPECT_NEAR((high - low) / (static_cast<double>(up) - down), gradient[i], 0x1p-25 + 0x1p-22);
  }
}

TEST(CrossEntropy, ArgmaxIsTheLowestIndexOfTheLargest) {
  for (const std::size_t first : {0u, 1u, 15u, 16u, 255u, 256u, 511u, 600u, 998u}) {
    std::vector<float> row(1000, -1.0f);
    row[first] = 3.0f;
    row[999] = 3.0f;
    row[std::min<std::size_t>(first + 17, 999)] = 3.0f;
    const CrossEntropyOnDevice device(row, {0}, DType::f32);
    EXPECT_EQ(device.argmax.integers<std::uint32_t>()[0], first);
  }
  const CrossEntropyOnDevice equal(std::vector<float>(300, 2.5f), {7}, DType::f32);
  EXPECT_EQ(equal.argmax.integers<std::uint32_t>()[0], 0u);
  EXPECT_NEAR(equal.loss.floats()[0], std::log(300.0), kLseTolerance);
}

TEST(CrossEntropy, MaskedEntriesCountNothing) {
  std::vector<float> row(700, -kInfinity);
  row[650] = 1.0f;
  row[651] = 1.0f;
  const CrossEntropyOnDevice device(row, {651}, DType::f32);
  EXPECT_NEAR(device.loss.floats()[0], std::log(2.0), 4 * kUnit);
  EXPECT_EQ(device.argmax.integers<std::uint32_t>()[0], 650u);
  const auto gradient = device.d_logits.floats();
  EXPECT_EQ(gradient[0], 0.0f);
  EXPECT_NEAR(gradient[650], 0.25, 4 * kUnit);
  EXPECT_NEAR(gradient[651], -0.25, 4 * kUnit);
}

TEST(CrossEntropy, LargeAndRisingLogits) {
  // A maximum that rises in every block rescales the sum each time; magnitudes of 1e4 must not overflow.
  std::vector<float> row;
  for (int i = 0; i < 4096; ++i) row.push_back(9000.0f + static_cast<float>(i) * 0.25f);
  const CrossEntropyOnDevice device(row, {4095}, DType::f32);
  EXPECT_NEAR(device.loss.floats()[0], -std::log(1 - std::exp(-0.25)), kLseTolerance);
}

TEST(CrossEntropy, NanIsReported) {
  std::vector<float> row(100, 1.0f);
  row[37] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(CrossEntropyOnDevice(row, {0}, DType::f32).loss.floats()[0]));
}

TEST(CrossEntropy, RowsWithoutTargetCountNothing) {
  const auto logits = random_floats(2 * 33, 3);
  const CrossEntropyOnDevice device(logits, {0xffffffffu, 33}, DType::f32);
  EXPECT_EQ(device.loss.floats(), (std::vector<float>{0.0f, 0.0f}));
  for (const float d : device.d_logits.floats()) EXPECT_EQ(d, 0.0f);
}

TEST(CrossEntropy, GradientMayReplaceTheLogits) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const RowCase c{3, 1003};
    CrossEntropyOnDevice device(logits_of(c, dtype, 4), targets_of(c), dtype);
    cross_entropy_bwd(shared_queue(), device.logits, device.targets, 0.5f, device.logits);
    EXPECT_EQ(device.logits.floats(), device.d_logits.floats());
  }
}

TEST(CrossEntropy, RefusesWhatDoesNotFit) {
  const PlacedTensor logits({4, 8}), loss({4}), wrong({3});
  const PlacedTensor indices({4}, DType::u32);
  EXPECT_THROW(cross_entropy_fwd(shared_queue(), logits, loss, loss, indices), ShapeError);
  EXPECT_THROW(cross_entropy_fwd(shared_queue(), logits, indices, wrong, indices), ShapeError);
  EXPECT_THROW(cross_entropy_bwd(shared_queue(), logits, indices, 1.0f, PlacedTensor({4, 8}, DType::f16)),
               ShapeError);
  EXPECT_THROW(cross_entropy_fwd(shared_queue(), indices, indices, loss, indices), ShapeError);
}

TEST(KlDivergence, MatchesReference) {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const RowCase& c : kRowCases)
      for (const float distance : {0.01f, 0.2f, 3.0f}) {
        SCOPED_TRACE(std::to_string(c.rows) + " x " + std::to_string(c.vocab) + " " +
                     std::string(name_of(dtype)) + ", distance " + std::to_string(distance));
        const auto p = logits_of(c, dtype, 5);
        auto q = random_floats(p.size(), 6, -distance, distance);
        for (std::size_t i = 0; i < q.size(); ++i) q[i] += p[i];
        if (dtype == DType::f16) q = rounded_to_half(q);
        const Shape shape{c.rows, c.vocab};
        const PlacedTensor kl({c.rows});
        kl_divergence_fwd(shared_queue(), PlacedTensor(p, shape, dtype), PlacedTensor(q, shape, dtype), kl);
        const auto expected = reference::kl_divergence_fwd(p, q, c.rows);
        const auto result = kl.floats();
        for (std::size_t r = 0; r < c.rows; ++r) {
          // An error e of log p - log q enters as p * x * e, |x| <= 2 * distance, plus e^2; terms, sums and p
          // itself are good to 60 units of the result.
          const double e = 2 * kLseTolerance;
          ASSERT_NEAR(result[r], expected[r],
                      2 * distance * e + e * e + 60 * kUnit * expected[r] + kLseTolerance * expected[r])
              << "row " << r;
          EXPECT_GE(result[r], 0.0f);
        }
      }
}

TEST(KlDivergence, EqualRowsAreAtDistanceZero) {
  const auto p = random_floats(2 * 1000, 7, -8.0f, 8.0f);
  const PlacedTensor a(p, {2, 1000}), kl({2});
  kl_divergence_fwd(shared_queue(), a, a, kl);
  EXPECT_EQ(kl.floats(), (std::vector<float>{0.0f, 0.0f}));
}

TEST(KlDivergence, MaskedEntries) {
  // Masked in the reference: no contribution beyond renormalising; masked in the other only: infinite.
  const std::vector<float> masked = {-kInfinity, 0.0f, 0.0f}, open = {0.0f, 0.0f, 0.0f};
  const PlacedTensor kl({1});
  kl_divergence_fwd(shared_queue(), PlacedTensor(masked, {1, 3}), PlacedTensor(open, {1, 3}), kl);
  EXPECT_NEAR(kl.floats()[0], std::log(1.5), 8 * kUnit);
  kl_divergence_fwd(shared_queue(), PlacedTensor(open, {1, 3}), PlacedTensor(masked, {1, 3}), kl);
  EXPECT_EQ(kl.floats()[0], kInfinity);
  kl_divergence_fwd(shared_queue(), PlacedTensor(masked, {1, 3}), PlacedTensor(masked, {1, 3}), kl);
  EXPECT_EQ(kl.floats()[0], 0.0f);
}

const std::vector<std::uint64_t> kCounts = {1, 2, 15, 16, 17, 100, 16383, 16384, 16385, 70001};

TEST(SquaredError, MatchesReference) {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const std::uint64_t n : kCounts) {
      SCOPED_TRACE(std::to_string(n) + " " + std::string(name_of(dtype)));
      auto y = random_floats(n, 8), target = random_floats(n, 9);
      if (dtype == DType::f16) y = rounded_to_half(y), target = rounded_to_half(target);
      const PlacedTensor d_y({n}, dtype), loss({1});
      squared_error(shared_queue(), PlacedTensor(y, {n}, dtype), PlacedTensor(target, {n}, dtype), 0.25f, d_y,
                    loss);
      // Each term: the difference's rounding twice, the square's; the sum is compensated and rounded once
      // (cl/nn/loss.cl).
      const double expected = reference::relative_error_sums(y, target)[0];
      EXPECT_NEAR(loss.floats()[0], expected, 4.1 * kUnit * expected);
      const auto gradient = d_y.floats();
      for (std::size_t i = 0; i < n; ++i) {
        const double value = 0.25 * (static_cast<double>(y[i]) - target[i]);
        const double tolerance = dtype == DType::f16 ? 1.01 * kHalfUnit * std::abs(value) + kHalfTiny
                                                     : 2 * kUnit * std::abs(value);
        ASSERT_NEAR(gradient[i], value, tolerance) << "element " << i;
      }
    }
}

TEST(SquaredError, GradientMayReplaceItsInput) {
  const auto y = random_floats(1001, 10), target = random_floats(1001, 11);
  const PlacedTensor a(y, {7, 143}), b(target, {7, 143}), d_y({7, 143}), loss({1}), again({1});
  squared_error(shared_queue(), a, b, 2.0f, d_y, loss);
  squared_error(shared_queue(), a, b, 2.0f, a, again);
  EXPECT_EQ(a.floats(), d_y.floats());
  EXPECT_EQ(loss.floats(), again.floats());
}

TEST(SquaredError, TenMillionElements) {
  // One value repeated, so the exact sum is n d^2: plain f32 summation would be off by 1e-3 here.
  constexpr std::uint64_t n = 10'000'000;
  const PlacedTensor y(std::vector<float>(n, 0.1f), {n}), target(std::vector<float>(n, 0.0f), {n}), loss({1});
  squared_error(shared_queue(), y, target, 1.0f, y, loss);
  const double expected = static_cast<double>(n) * static_cast<double>(0.1f) * static_cast<double>(0.1f);
  EXPECT_NEAR(loss.floats()[0], expected, 4.1 * kUnit * expected);
}

TEST(SquaredError, OfNothingIsZero) {
  const PlacedTensor y({0, 4}), loss({1});
  squared_error(shared_queue(), y, y, 1.0f, y, loss);
  EXPECT_EQ(loss.floats()[0], 0.0f);
}

TEST(SquaredError, NonFiniteValuesReachTheLoss) {
  std::vector<float> y(40000, 1.0f);
  y[33333] = kInfinity;
  const PlacedTensor a(y, {40000}), b(std::vector<float>(40000, 0.0f), {40000}), loss({1});
  squared_error(shared_queue(), a, b, 1.0f, a, loss);
  EXPECT_FALSE(std::isfinite(loss.floats()[0]));
}

TEST(RelativeError, MatchesReference) {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const std::uint64_t n : kCounts) {
      SCOPED_TRACE(std::to_string(n) + " " + std::string(name_of(dtype)));
      auto a = random_floats(n, 12), b = random_floats(n, 13);
      if (dtype == DType::f16) a = rounded_to_half(a), b = rounded_to_half(b);
      const PlacedTensor sums({2});
      relative_error_sums(shared_queue(), PlacedTensor(a, {n}, dtype), PlacedTensor(b, {n}, dtype), sums);
      const auto expected = reference::relative_error_sums(a, b);
      const auto result = sums.floats();
      EXPECT_NEAR(result[0], expected[0], 4.1 * kUnit * expected[0]);
      EXPECT_NEAR(result[1], expected[1], 2.1 * kUnit * expected[1]);
    }
}

TEST(Dot, MatchesReference) {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const std::uint64_t n : kCounts) {
      SCOPED_TRACE(std::to_string(n) + " " + std::string(name_of(dtype)));
      auto a = random_floats(n, 14), b = random_floats(n, 15);
      if (dtype == DType::f16) a = rounded_to_half(a), b = rounded_to_half(b);
      double expected = 0, magnitude = 0;
      for (std::size_t i = 0; i < n; ++i) {
        expected += static_cast<double>(a[i]) * b[i];
        magnitude += std::abs(static_cast<double>(a[i]) * b[i]);
      }
      const PlacedTensor sum({1});
      dot(shared_queue(), PlacedTensor(a, {n}, dtype), PlacedTensor(b, {n}, dtype), sum);
      // The product's rounding, the compensated term's, and that of the result (cl/nn/loss.cl).
      EXPECT_NEAR(sum.floats()[0], expected, 2.1 * kUnit * magnitude + kUnit * std::abs(expected));
    }
}

TEST(Dot, TenMillionElements) {
  // Equal terms of one sign: plain f32 summation would be off by 1e-3.
  constexpr std::uint64_t n = 10'000'000;
  const PlacedTensor a(std::vector<float>(n, 0.1f), {n}), sum({1});
  dot(shared_queue(), a, a, sum);
  const double expected = static_cast<double>(n) * static_cast<double>(0.1f) * static_cast<double>(0.1f);
  EXPECT_NEAR(sum.floats()[0], expected, 3.1 * kUnit * expected);
}

TEST(Dot, OfNothingIsZero) {
  const PlacedTensor a({0}), sum({1});
  dot(shared_queue(), a, a, sum);
  EXPECT_EQ(sum.floats()[0], 0.0f);
}

TEST(Dot, RefusesWhatDoesNotFit) {
  const PlacedTensor a({4}), b({5}), half({4}, DType::f16), sums({2}), one({1});
  EXPECT_THROW(dot(shared_queue(), a, b, one), ShapeError);
  EXPECT_THROW(dot(shared_queue(), a, half, one), ShapeError);
  EXPECT_THROW(dot(shared_queue(), a, a, sums), ShapeError);
}

TEST(RelativeError, RefusesWhatDoesNotFit) {
  const PlacedTensor a({4}), b({5}), half({4}, DType::f16), sums({2}), one({1});
  EXPECT_THROW(relative_error_sums(shared_queue(), a, b, sums), ShapeError);
  EXPECT_THROW(relative_error_sums(shared_queue(), a, half, sums), ShapeError);
  EXPECT_THROW(relative_error_sums(shared_queue(), a, a, one), ShapeError);
}

}  // namespace
}  // namespace apiq::ops
