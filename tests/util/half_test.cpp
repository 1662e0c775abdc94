// Oracle: the definition of binary16 in double arithmetic (ldexp, nearbyint), exact here: every binary16 and
// every midpoint between two of them has at most 12 significant bits.
#include "util/half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace apiq {
namespace {

double value_of_half(std::uint16_t h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (h & 0x8000) ? -magnitude : magnitude;
}

/// Nearest binary16, ties to even: quantize to the spacing at this magnitude with nearbyint (default rounding
/// mode).
double rounded_to_half(double x) {
  if (x == 0) return x;
  const int exponent = std::max(std::ilogb(x), -14);
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(x, 10 - exponent)), exponent - 10);
  return std::fabs(rounded) >= 65536.0 ? std::copysign(std::numeric_limits<double>::infinity(), x) : rounded;
}

TEST(HalfToFloat, EveryBitPattern) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto h = static_cast<std::uint16_t>(i);
    const float f = half_to_float(h);
    if ((h & 0x7c00) == 0x7c00) {
      if (h & 0x3ff) EXPECT_TRUE(std::isnan(f)) << i;
      else EXPECT_EQ(f, (h & 0x8000) ? -INFINITY : INFINITY) << i;
      continue;
    }
    EXPECT_EQ(static_cast<double>(f), value_of_half(h)) << i;
    EXPECT_EQ(std::signbit(f), (h & 0x8000) != 0) << i;
    EXPECT_EQ(float_to_half(f), h) << i;
  }
}

void expect_rounds_right(float f) {
  const double expected = rounded_to_half(f);
  const float found = half_to_float(float_to_half(f));
  ASSERT_EQ(static_cast<double>(found), expected) << std::hexfloat << f;
  ASSERT_EQ(std::signbit(found), std::signbit(f)) << std::hexfloat << f;
}

TEST(FloatToHalf, MidpointsAndTheirNeighbours) {
  for (std::uint32_t h = 0; h < 0x7c00; ++h) {
    const double next = h == 0x7bff ? 65536.0 : value_of_half(static_cast<std::uint16_t>(h + 1));
    const auto middle = static_cast<float>((value_of_half(static_cast<std::uint16_t>(h)) + next) / 2);
    for (const float f : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, INFINITY)}) {
      expect_rounds_right(f);
      expect_rounds_right(-f);
    }
  }
}

TEST(FloatToHalf, RandomFloats) {
  std::mt19937 random(7);
  for (int i = 0; i < 1000000; ++i) {
    const auto f = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isnan(f)) EXPECT_TRUE(std::isnan(half_to_float(float_to_half(f))));
    else if (std::isinf(f)) EXPECT_EQ(half_to_float(float_to_half(f)), f);
    else expect_rounds_right(f);
  }
}

TEST(FloatToHalf, RandomFloatsInRange) {
  std::mt19937 random(8);
  std::uniform_real_distribution<float> exponent(-27.0f, 17.0f);
  for (int i = 0; i < 1000000; ++i) expect_rounds_right(std::exp2(exponent(random)));
}

TEST(Bf16, IsTheUpperHalfOfAFloat) {
  EXPECT_EQ(bf16_to_float(0x3f80), 1.0f);
  EXPECT_EQ(bf16_to_float(0xc040), -3.0f);
  EXPECT_EQ(bf16_to_float(0x0001), std::ldexp(1.0f, -133));  // smallest subnormal: 2^-126 * 2^-7
  EXPECT_TRUE(std::isinf(bf16_to_float(0x7f80)));
  EXPECT_TRUE(std::isnan(bf16_to_float(0x7fc0)));
}

}  // namespace
}  // namespace apiq
