// add, scaled_add and the conversions to f32: results are exact or rounded in a known way, so everything is
// compared bit by bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "ops/nn.hpp"

namespace apiq {
namespace {

class Elementwise : public testing::VariantTest {
 protected:
  std::vector<float> stored(const std::vector<float>& values) const {
    return dtype() == DType::f16 ? testing::rounded_to_half(values) : values;
  }
};

// Below, at and above vectors, work-items and work-groups of both presets.
const std::vector<std::size_t> kCounts = {1, 3, 15, 16, 17, 1023, 1024, 1025, 4096, 5001};

TEST_P(Elementwise, AddIsExactlyRounded) {
  for (const std::size_t n : kCounts) {
    const auto a = values(n, 1), b = values(n, 2);
    const auto a_dev = on().upload(a, {n}, dtype()), b_dev = on().upload(b, {n}, dtype());
    ops::add(on().queue(), a_dev, b_dev, a_dev);
    std::vector<float> expected(n);
    for (std::size_t i = 0; i < n; ++i) expected[i] = a[i] + b[i];
    EXPECT_EQ(on().download(a_dev), stored(expected)) << n;
  }
}

TEST_P(Elementwise, ScaledAddRoundsTheProductOfBAndTheSum) {
  for (const std::size_t n : kCounts) {
    const auto a = values(n, 1), b = values(n, 2);
    const auto a_dev = on().upload(a, {n}, dtype()), b_dev = on().upload(b, {n}, dtype()),
               y = on().tensor({n}, dtype());
    std::vector<float> expected(n);
    for (std::size_t i = 0; i < n; ++i) expected[i] = std::fma(0.3f, a[i], -1.7f * b[i]);
    ops::scaled_add(on().queue(), 0.3f, a_dev, -1.7f, b_dev, y);
    EXPECT_EQ(on().download(y), stored(expected)) << n;
    ops::scaled_add(on().queue(), 0.3f, a_dev, -1.7f, b_dev, b_dev);  // in place
    EXPECT_EQ(on().download(b_dev), stored(expected)) << n;
  }
}

TEST_P(Elementwise, AddBiasAddsItToEveryRow) {
  for (const std::size_t n : kCounts)
    for (const std::size_t rows : {1, 3}) {
      const auto y = values(rows * n, 1), bias = testing::random_floats(n, 2);
      const testing::PresetDevice& device = on();
      const auto y_dev = device.upload(y, {rows, n}, dtype());
      // Off every alignment, as parts of larger tensors are.
      std::vector<float> shifted(n + 1, 9.0f);
      std::copy(bias.begin(), bias.end(), shifted.begin() + 1);
      const auto bias_dev = device.upload(shifted, {n + 1});
      ops::add_bias(device.queue(), bias_dev.view().rows(1, n), y_dev);
      std::vector<float> expected(rows * n);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = y[i] + bias[i % n];
      EXPECT_EQ(device.download(y_dev), stored(expected)) << rows << " x " << n;
    }
}

TEST_P(Elementwise, RefusesWhatDoesNotFit) {
  const auto a = on().tensor({8}, dtype()), b = on().tensor({9}, dtype()),
             words = on().tensor({8}, DType::u32);
  EXPECT_THROW(ops::add(on().queue(), a, b, a), ShapeError);
  EXPECT_THROW(ops::scaled_add(on().queue(), 1.0f, a, 1.0f, a, b), ShapeError);
  EXPECT_THROW(ops::scaled_add(on().queue(), 1.0f, words, 1.0f, words, words), ShapeError);
  EXPECT_THROW(ops::add_bias(on().queue(), on().tensor({8}), a), ShapeError);
  EXPECT_THROW(ops::add_bias(on().queue(), b, on().tensor({2, 8}, dtype())), ShapeError);
  EXPECT_THROW(ops::to_f32(on().queue(), words, on().tensor({8})), ShapeError);
  EXPECT_THROW(ops::to_f32(on().queue(), a, b), ShapeError);
  EXPECT_THROW(ops::to_f32(on().queue(), a, on().tensor({8}, DType::f16)), ShapeError);
}

/// Every 16-bit word at once, in views off every alignment.
void convert_every_word(const testing::PresetDevice& on, DType dtype, float (*expected)(std::uint16_t)) {
  constexpr std::size_t lead = 3, n = 1 << 16;
  std::vector<std::uint16_t> words(lead + n);
  for (std::size_t i = 0; i < n; ++i) words[lead + i] = static_cast<std::uint16_t>(i);
  const auto x = on.tensor({lead + n}, dtype), y = on.tensor({n + 5});
  on.queue().write(x, words.data());
  on.queue().write(y, std::vector<float>(n + 5, 7.0f).data());
  ops::to_f32(on.queue(), x.view().rows(lead, n), y.view().rows(1, n));
  const auto got = on.download(y);
  for (std::size_t i = 0; i < n; ++i) {
    const float want = expected(static_cast<std::uint16_t>(i));
    if (std::isnan(want)) ASSERT_TRUE(std::isnan(got[1 + i])) << i;
    else
      ASSERT_EQ(std::memcmp(&got[1 + i], &want, sizeof want), 0)
          << "word " << i << ": " << got[1 + i] << ", expected " << want;
  }
  EXPECT_EQ(got[0], 7.0f);
  for (std::size_t i = n + 1; i < got.size(); ++i) EXPECT_EQ(got[i], 7.0f) << "past the end";
}

float bfloat_to_float(std::uint16_t word) {
  const std::uint32_t bits = std::uint32_t{word} << 16;
  float out = 0;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

TEST(ToF32, EveryWordOfBothTypes) {
  for (const char* preset : {"cpu", "gpu"}) {
    SCOPED_TRACE(preset);
    convert_every_word(testing::preset_device(preset), DType::f16, half_to_float);
    convert_every_word(testing::preset_device(preset), DType::bf16, bfloat_to_float);
  }
}

TEST(ToF32, RaggedCountsAndPlainCopies) {
  const auto& on = testing::preset_device("cpu");
  for (const std::size_t n : kCounts) {
    const auto values = testing::rounded_to_half(testing::random_floats(n, 3));
    for (const DType dtype : {DType::f16, DType::f32}) {
      const auto y = on.tensor({n});
      ops::to_f32(on.queue(), on.upload(values, {n}, dtype), y);
      EXPECT_EQ(on.download(y), values) << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Nn, Elementwise, testing::all_variants(), testing::variant_name);

}  // namespace
}  // namespace apiq
