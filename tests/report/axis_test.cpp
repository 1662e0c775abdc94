// Ticks and the mapping to pixels.
#include "report/plot/axis.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace apiq::plot {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pointwise;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Ticks are products of a few roundings, so equal to the decimal number up to a few units in the last place.
auto near(const std::vector<double>& expected) { return Pointwise(::testing::DoubleEq(), expected); }

Range range_of(std::initializer_list<double> values) {
  Range out;
  for (const double value : values) out.add(value);
  return out;
}

TEST(Range, IgnoresWhatIsNotFinite) {
  EXPECT_TRUE(range_of({NAN, kInfinity, -kInfinity}).empty());
  const Range range = range_of({3, NAN, -1, kInfinity});
  EXPECT_EQ(range.low, -1);
  EXPECT_EQ(range.high, 3);
}

TEST(Range, SpansOnlyPositiveValues) {
  EXPECT_TRUE(range_of({1, 11}).spans(10));
  EXPECT_FALSE(range_of({1, 10}).spans(10));
  EXPECT_FALSE(range_of({0, 10}).spans(10));
  EXPECT_FALSE(range_of({-5, 100}).spans(10));
  EXPECT_FALSE(Range{}.spans(10));
}

TEST(LinearTicks, AreMultiplesOfOneTwoFive) {
  EXPECT_THAT(linear_ticks(0, 1, 5), near({0, 0.2, 0.4, 0.6, 0.8, 1}));
  EXPECT_THAT(linear_ticks(0, 7, 5), near({0, 2, 4, 6}));
  EXPECT_THAT(linear_ticks(-30, 30, 4), near({-20, 0, 20}));
  EXPECT_THAT(linear_ticks(0.0731, 0.0779, 5), near({0.074, 0.075, 0.076, 0.077}));
}

TEST(LinearTicks, AreWholeWhereAsked) {
  EXPECT_THAT(linear_ticks(0, 3, 10, true), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(linear_ticks(0, 79, 20, true),
              near({0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75}));
}

TEST(LinearTicks, OfOnePointAndOfNone) {
  EXPECT_THAT(linear_ticks(4, 4, 5), ElementsAre(4));
  EXPECT_THAT(linear_ticks(4, 3, 5), IsEmpty());
}

TEST(LinearTicks, StayFewAndInsideOverManyRanges) {
  for (const double low : {-1e6, -3.7, 0.0, 1e-9, 12.5}) {
    for (const double span : {1e-7, 0.3, 1.0, 17.0, 9.99e8}) {
      for (const int count : {1, 3, 8}) {
        const auto ticks = linear_ticks(low, low + span, count);
        EXPECT_LE(ticks.size(), static_cast<std::size_t>(count) + 1) << low << " + " << span;
        for (const double tick : ticks) {
          EXPECT_GE(tick, low - 1e-6 * span);
          EXPECT_LE(tick, low + span * (1 + 1e-6));
        }
      }
    }
  }
}

TEST(LogTicks, ThinOutWithTheRange) {
  EXPECT_THAT(log_ticks(0.01, 1, 9), near({0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1}));
  EXPECT_THAT(log_ticks(0.02, 0.5, 9), near({0.02, 0.05, 0.1, 0.2, 0.5}));
  EXPECT_THAT(log_ticks(1e-4, 1, 5), near({1e-4, 1e-3, 1e-2, 1e-1, 1}));
  EXPECT_THAT(log_ticks(1e-12, 1, 4), near({1e-12, 1e-9, 1e-6, 1e-3, 1}));
}

TEST(Axis, MapsItsEnds) {
  const Axis axis = Axis::linear(range_of({0.3, 9.4}), 400, 0, 5, true);
  EXPECT_DOUBLE_EQ(axis.at(0), 400);
  EXPECT_DOUBLE_EQ(axis.at(10), 0);  // widened to the tick
  EXPECT_DOUBLE_EQ(axis.at(5), 200);
}

TEST(Axis, LogarithmicMiddleIsTheGeometricMean) {
  const Axis axis = Axis::logarithmic(range_of({0.01, 1}), 0, 100, 9);
  EXPECT_THAT(axis.at(0.1), DoubleNear(50, 1e-9));
  EXPECT_THAT(axis.at(0.01), DoubleNear(0, 1e-9));
}

TEST(Axis, SurvivesDegenerateRanges) {
  for (const Range& range : {Range{}, range_of({0}), range_of({7}), range_of({-2}), range_of({1e-300}),
                             range_of({1e300, 1.1e300})}) {
    for (const bool from_zero : {false, true}) {
      const Axis axis = Axis::linear(range, 0, 100, 5, from_zero);
      EXPECT_FALSE(axis.ticks().empty());
      for (const double tick : axis.ticks())
        EXPECT_TRUE(axis.at(tick) >= -1e-6 && axis.at(tick) <= 100 + 1e-6) << tick;
    }
  }
  for (const double value : {1.0, 0.5, 3e-8, 1e-300}) {
    const Axis axis = Axis::logarithmic(range_of({value}), 0, 100, 5);
    EXPECT_TRUE(std::isfinite(axis.at(value))) << value;
    EXPECT_FALSE(axis.ticks().empty()) << value;
  }
}

TEST(Axis, LabelsLineUp) {
  const Axis axis = Axis::linear(range_of({0.75, 1}), 0, 100, 6);
  for (const double tick : axis.ticks())
    EXPECT_EQ(axis.label(tick).size(), 4u) << axis.label(tick);  // "0.80", not "0.8"
  EXPECT_EQ(Axis::linear(range_of({0, 300}), 0, 100, 4).label(200), "200");
  EXPECT_EQ(Axis::logarithmic(range_of({1e-6, 1}), 0, 100, 9).label(1e-5), "1e-5");
}

}  // namespace
}  // namespace apiq::plot
