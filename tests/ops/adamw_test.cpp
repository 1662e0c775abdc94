// adamw_step against values recorded from torch and against the fp64 reference.
#include "ops/adamw.hpp"

#include <cmath>
#include <limits>

#include "cases/placed_tensor.hpp"
#include "ops/reference/adamw.hpp"

namespace apiq::ops {
namespace {

using testing::PlacedTensor;
using testing::random_floats;
using testing::shared_queue;

struct Golden {
  std::uint32_t steps;
  double learning_rate, weight_decay;
  std::vector<float> p;
};

const std::vector<Golden> kGolden = {
#include "golden/adamw.inc"
};

std::vector<float> golden_gradient(std::uint32_t t) {
  std::vector<float> g;
  for (int i = 0; i < 7; ++i)
    g.push_back(std::ldexp(
        static_cast<float>(static_cast<int>((t * 37 + static_cast<unsigned>(i) * 101) % 61) - 30) / 32.0f,
        i - 4));
  return g;
}

/// A count of skipped steps that starts at zero.
PlacedTensor no_skips() {
  PlacedTensor out({1}, DType::u32);
  shared_queue().fill_zero(out);
  return out;
}

std::uint32_t skips(const PlacedTensor& skipped) { return skipped.integers<std::uint32_t>()[0]; }

TEST(Adamw, MatchesTorch) {
  for (const Golden& golden : kGolden) {
    SCOPED_TRACE(std::to_string(golden.steps) + " steps, learning rate " +
                 std::to_string(golden.learning_rate));
    const AdamwOptions options{.learning_rate = golden.learning_rate, .weight_decay = golden.weight_decay};
    std::vector<float> start;
    for (int i = 0; i < 7; ++i) start.push_back(static_cast<float>(i - 3) / 4.0f);
    const PlacedTensor p(start, {7}), m(std::vector<float>(7, 0.0f), {7}),
        v(std::vector<float>(7, 0.0f), {7}), loss({1.0f}, {1}), skipped = no_skips();
    for (std::uint32_t t = 1; t <= golden.steps; ++t)
      adamw_step(shared_queue(), options, t, loss, skipped, p, PlacedTensor(golden_gradient(t), {7}), m, v);
    EXPECT_EQ(skips(skipped), 0u);
    const auto result = p.floats();
    // Per step: two roundings of p (decay and update, |p| < 1 so at most 2^-25 each, on both sides), and the
    // update itself, at most about lr in size, to a dozen roundings of 2^-24.
    const double tolerance = golden.steps * (4 * 0x1p-25 + golden.learning_rate * 12 * 0x1p-24);
    for (std::size_t i = 0; i < 7; ++i) EXPECT_NEAR(result[i], golden.p[i], tolerance) << "parameter " << i;
  }
}

TEST(Adamw, MatchesReferenceAtEverySize) {
  const AdamwOptions options{.learning_rate = 0.01, .weight_decay = 0.1};
  for (const std::size_t n : {1u, 2u, 15u, 16u, 17u, 33u, 1000u, 8192u, 20011u}) {
    SCOPED_TRACE(n);
    const auto start = random_floats(n, 1);
    reference::AdamwState expected{
        {start.begin(), start.end()}, std::vector<double>(n, 0.0), std::vector<double>(n, 0.0)};
    const PlacedTensor p(start, {n}), m(std::vector<float>(n, 0.0f), {n}),
        v(std::vector<float>(n, 0.0f), {n}), loss({0.5f}, {1}), skipped = no_skips();
    for (std::uint32_t t = 1; t <= 3; ++t) {
      const auto g = random_floats(n, 10 + t);
      adamw_step(shared_queue(), options, t, loss, skipped, p, PlacedTensor(g, {n}), m, v);
      reference::adamw_step(options, t, g, expected);
    }
    const auto got_p = p.floats(), got_m = m.floats(), got_v = v.floats();
    for (std::size_t i = 0; i < n; ++i) {
      // As above for p; m is a sum of three terms below 0.1 that may cancel, v one of positive terms.
      ASSERT_NEAR(got_p[i], expected.p[i], 3 * (4 * 0x1p-25 + 0.01 * 12 * 0x1p-24 * 4)) << "parameter " << i;
      ASSERT_NEAR(got_m[i], expected.m[i], 0.3 * 6 * 0x1p-24) << "parameter " << i;
      ASSERT_NEAR(got_v[i], expected.v[i], expected.v[i] * 10 * 0x1p-24) << "parameter " << i;
    }
  }
}

TEST(Adamw, LossThatIsNotFiniteChangesNothingAndIsCounted) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const auto start = random_floats(40, 1), first = random_floats(40, 2),
             second = random_floats(40, 3, 0.0f, 1.0f);
  for (const float bad : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
    const PlacedTensor p(start, {40}), m(first, {40}), v(second, {40}), loss({bad}, {1}),
        skipped = no_skips();
    for (std::uint32_t t = 5; t < 8; ++t)
      adamw_step(shared_queue(), {}, t, loss, skipped, p, PlacedTensor(first, {40}), m, v);
    EXPECT_EQ(p.floats(), start);
    EXPECT_EQ(m.floats(), first);
    EXPECT_EQ(v.floats(), second);
    EXPECT_EQ(skips(skipped), 3u);
  }
}

TEST(Adamw, BiasCorrectionCountsTheStepsThatWereTaken) {
  constexpr std::size_t n = 300;
  const AdamwOptions options{.learning_rate = 0.01, .weight_decay = 0.1};
  const auto start = random_floats(n, 1);
  reference::AdamwState expected{
      {start.begin(), start.end()}, std::vector<double>(n, 0.0), std::vector<double>(n, 0.0)};
  const PlacedTensor p(start, {n}), m(std::vector<float>(n, 0.0f), {n}), v(std::vector<float>(n, 0.0f), {n}),
      loss({0.5f}, {1}), bad({INFINITY}, {1}), skipped = no_skips();
  std::uint32_t taken = 0;
  for (std::uint32_t t = 1; t <= 6; ++t) {
    const bool skip = t == 1 || t == 3 || t == 4;
    const auto g = random_floats(n, 10 + t);
    adamw_step(shared_queue(), options, t, skip ? bad : loss, skipped, p, PlacedTensor(g, {n}), m, v);
    if (!skip) reference::adamw_step(options, ++taken, g, expected);
  }
  const auto got = p.floats();
  // As at every size, and the corrections: expm1 and its argument, a few roundings of the update each.
  for (std::size_t i = 0; i < n; ++i)
    ASSERT_NEAR(got[i], expected.p[i], 3 * (4 * 0x1p-25 + 0.01 * 24 * 0x1p-24 * 4)) << "parameter " << i;
}

TEST(GuardLoss, OneValueThatIsNotFiniteMakesItNan) {
  for (const std::size_t n : {1u, 2u, 15u, 16u, 17u, 33u, 1000u, 8192u, 20011u}) {
    SCOPED_TRACE(n);
    const auto good = random_floats(n, 1);
    const auto guarded = [&](const std::vector<float>& x, const std::vector<float>& y) {
      const PlacedTensor loss({0.5f}, {1});
      guard_loss(shared_queue(), loss, PlacedTensor(x, {n}), PlacedTensor(y, {n}));
      return loss.floats()[0];
    };
    EXPECT_EQ(guarded(good, good), 0.5f);
    for (const std::size_t at : {std::size_t{0}, n / 2, n - 1})
      for (const float bad : {INFINITY, -INFINITY, NAN}) {
        auto changed = good;
        changed[at] = bad;
        EXPECT_TRUE(std::isnan(guarded(changed, good))) << at;
        EXPECT_TRUE(std::isnan(guarded(good, changed))) << at;
      }
    const PlacedTensor loss({0.5f}, {1});
    guard_loss(shared_queue(), loss, PlacedTensor(good, {n}));
    EXPECT_EQ(loss.floats()[0], 0.5f);
  }
}

TEST(Adamw, RefusesWhatDoesNotFit) {
  const PlacedTensor p({8}), other({7}), loss({1}), skipped = no_skips();
  EXPECT_THROW(adamw_step(shared_queue(), {}, 0, loss, skipped, p, p, p, p), InvalidArgument);
  EXPECT_THROW(adamw_step(shared_queue(), {}, 1, loss, skipped, p, other, p, p), ShapeError);
  EXPECT_THROW(adamw_step(shared_queue(), {}, 1, p, skipped, p, p, p, p), ShapeError);
  EXPECT_THROW(adamw_step(shared_queue(), {}, 1, loss, loss, p, p, p, p), ShapeError);
  EXPECT_THROW(guard_loss(shared_queue(), p, p), ShapeError);
}

}  // namespace
}  // namespace apiq::ops
