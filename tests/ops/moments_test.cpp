// Damping and column scaling against fp64, both presets.
#include "ops/moments.hpp"

#include "apiq/error.hpp"
#include "cases/placed_tensor.hpp"

namespace apiq::ops {
namespace {

using testing::PlacedTensor;
using testing::random_floats;
using testing::shared_queue;

constexpr double kUnit = 0x1p-24;  // rounding of one f32 operation

TEST(Moments, DampRaisesTheDiagonalByAShareOfItsMean) {
  for (const std::uint64_t n : {1, 2, 15, 16, 129, 300})
    for (const bool whole : {true, false}) {
      SCOPED_TRACE(std::to_string(n) + (whole ? " squared" : ""));
      const Shape shape = whole ? Shape{n, n} : Shape{n};
      const auto before = random_floats(shape.elements(), 1, 0.0f, 4.0f);
      const PlacedTensor moments(before, shape);
      damp(shared_queue(), moments, 0.01f);
      const std::uint64_t step = whole ? n + 1 : 1;
      double mean = 0;
      for (std::uint64_t i = 0; i < n; ++i) mean += before[i * step] / static_cast<double>(n);
      const auto after = moments.floats();
      for (std::uint64_t i = 0; i < after.size(); ++i) {
        const double expected = before[i] + (i % step == 0 ? 0.01 * mean : 0.0);
        // The share, the mean and their product round in the small addend; their sum with the element once
        // more.
        ASSERT_NEAR(after[i], expected, i % step == 0 ? kUnit * (expected + 4 * 0.01 * mean) : 0.0)
            << "element " << i;
      }
    }
}

TEST(Moments, TakeDiagonalMovesEveryElement) {
  for (const std::uint64_t n : {1, 2, 15, 129, 300}) {
    SCOPED_TRACE(n);
    const auto values = random_floats(n * n, 1);
    const PlacedTensor y({n});
    take_diagonal(shared_queue(), PlacedTensor(values, {n, n}), y);
    std::vector<float> expected;
    for (std::uint64_t i = 0; i < n; ++i) expected.push_back(values[i * (n + 1)]);
    EXPECT_EQ(y.floats(), expected);
  }
}

TEST(Moments, ScaleColumnsIsOneProduct) {
  for (const std::uint64_t rows : {1, 5})
    for (const std::uint64_t n : {1, 3, 15, 16, 17, 513, 1030}) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(n));
      const auto x = random_floats(rows * n, 2), d = random_floats(n, 3);
      std::vector<float> expected = x;
      for (std::uint64_t i = 0; i < expected.size(); ++i) expected[i] *= d[i % n];
      const PlacedTensor placed(x, {rows, n}), y({rows, n});
      scale_columns(shared_queue(), placed, PlacedTensor(d, {n}), y);
      EXPECT_EQ(y.floats(), expected);
      scale_columns(shared_queue(), placed, PlacedTensor(d, {n}), placed);
      EXPECT_EQ(placed.floats(), expected) << "in place";
    }
}

TEST(Moments, RefusesWhatDoesNotFit) {
  const PlacedTensor wide({2, 3}), three({3}), two({2}), half({3, 3}, DType::f16);
  EXPECT_THROW(damp(shared_queue(), wide), ShapeError);
  EXPECT_THROW(damp(shared_queue(), half), ShapeError);
  EXPECT_THROW(take_diagonal(shared_queue(), wide, three), ShapeError);
  EXPECT_THROW(take_diagonal(shared_queue(), wide, two), ShapeError);
  EXPECT_THROW(scale_columns(shared_queue(), wide, two, wide), ShapeError);
  EXPECT_THROW(scale_columns(shared_queue(), wide, three, three), ShapeError);
  EXPECT_THROW(scale_columns(shared_queue(), three, three, three), ShapeError);
}

}  // namespace
}  // namespace apiq::ops
