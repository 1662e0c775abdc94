// rmsnorm_fwd and rmsnorm_bwd against fp64; the reference's gradient against finite differences of its
// forward pass.
#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "ops/nn.hpp"
#include "ops/reference/rmsnorm.hpp"

namespace apiq {
namespace {

constexpr float kEps = 1e-5f;

class Rmsnorm : public testing::VariantTest {
 protected:
  /// A sum of n terms is kept in at least 16 partial sums, so it is off by (n / 16 + 5) eps of the sum of
  /// magnitudes; the squares' error is halved by the root and enters dx three times; divisions and products
  /// add a few eps.
  static double f32_error(std::size_t n) { return (2 * static_cast<double>(n) / 16 + 24) * 0x1p-24; }

  /// Largest sum of the magnitudes of the terms of dx: |w dy| / rho + |x| sum(|w dy x|) / (n rho^3).
  static double dx_terms(const std::vector<float>& x, const std::vector<float>& weight,
                         const std::vector<float>& dy) {
    const std::size_t n = weight.size();
    double largest = 0;
    for (std::size_t row = 0; row < x.size(); row += n) {
      double squares = 0, products = 0, x_max = 0, dy_max = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double xi = std::abs(x[row + i]), di = std::abs(weight[i] * dy[row + i]);
        squares += xi * xi;
        products += xi * di;
        x_max = std::max(x_max, xi);
        dy_max = std::max(dy_max, di);
      }
      const double mean = squares / static_cast<double>(n) + kEps;
      largest =
          std::max(largest, (dy_max + x_max * products / (static_cast<double>(n) * mean)) / std::sqrt(mean));
    }
    return largest;
  }

  void check(std::size_t tokens, std::size_t features) {
    SCOPED_TRACE(::testing::Message() << tokens << " tokens of " << features);
    const auto x = values(tokens * features, 1), dy = values(tokens * features, 2),
               weight = random_weight(features);
    const Shape shape{tokens, features};
    const auto x_dev = on().upload(x, shape, dtype()), dy_dev = on().upload(dy, shape, dtype()),
               weight_dev = on().upload(weight, {features});
    const auto y = on().tensor(shape, dtype()), dx = on().tensor(shape, dtype());
    ops::rmsnorm_fwd(on().queue(), x_dev, weight_dev, kEps, y);
    ops::rmsnorm_bwd(on().queue(), x_dev, weight_dev, kEps, dy_dev, dx);
    const auto xd = testing::as_doubles(x), wd = testing::as_doubles(weight);
    // |y| is at most sqrt(n) |weight|.
    expect_close(on().download(y), ops::reference::rmsnorm_fwd(xd, wd, kEps),
                 f32_error(features) * 1.5 * std::sqrt(static_cast<double>(features)), "y");
    expect_close(on().download(dx), ops::reference::rmsnorm_bwd(xd, wd, kEps, testing::as_doubles(dy)),
                 f32_error(features) * dx_terms(x, weight, dy), "dx");

    ops::rmsnorm_fwd(on().queue(), x_dev, weight_dev, kEps, x_dev);  // in place
    EXPECT_EQ(on().download(x_dev), on().download(y));
  }

  static std::vector<float> random_weight(std::size_t features) {
    return testing::random_floats(features, 3, 0.5f, 1.5f);
  }

  void expect_close(const std::vector<float>& got, const std::vector<double>& expected, double absolute,
                    const char* what) const {
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], expected[i],
                  absolute + testing::storage_eps(dtype()) * std::abs(expected[i]) + 0x1p-25)
          << what << ' ' << i;
  }
};

TEST_P(Rmsnorm, EveryRaggedWidth) {
  for (std::size_t features = 1; features <= 40; ++features) check(3, features);
  for (const std::size_t features : {255, 256, 257, 1000, 2048}) check(5, features);
}

TEST_P(Rmsnorm, EveryRaggedCount) {
  for (std::size_t tokens = 1; tokens <= 9; ++tokens) check(tokens, 20);
}

TEST_P(Rmsnorm, EpsKeepsZeroRowsFinite) {
  const auto x = on().upload(std::vector<float>(16, 0.0f), {1, 16}, dtype()),
             weight = on().upload(std::vector<float>(16, 1.0f), {16});
  ops::rmsnorm_fwd(on().queue(), x, weight, kEps, x);
  EXPECT_EQ(on().download(x), std::vector<float>(16, 0.0f));
}

TEST_P(Rmsnorm, RefusesWrongShapes) {
  const auto x = on().tensor({2, 8}, dtype()), weight = on().tensor({4});
  EXPECT_THROW(ops::rmsnorm_fwd(on().queue(), x, weight, kEps, x), ShapeError);
}

TEST(RmsnormReference, GradientIsTheSlopeOfTheForwardPass) {
  const std::size_t n = 7;
  auto x = testing::as_doubles(testing::random_floats(2 * n, 4));
  const auto weight = testing::as_doubles(testing::random_floats(n, 5)),
             dy = testing::as_doubles(testing::random_floats(2 * n, 6));
  const auto dx = ops::reference::rmsnorm_bwd(x, weight, kEps, dy);
  const auto loss = [&] {
    const auto y = ops::reference::rmsnorm_fwd(x, weight, kEps);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  const double h = 1e-5;  // error about h^2 (third derivative) plus 1e-16 / h
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double kept = x[i];
    x[i] = kept + h;
    const double up = loss();
    x[i] = kept - h;
    const double down = loss();
    x[i] = kept;
    EXPECT_NEAR(dx[i], (up - down) / (2 * h), 1e-8) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Nn, Rmsnorm, testing::all_variants(), testing::variant_name);

}  // namespace
}  // namespace apiq
