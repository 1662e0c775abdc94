// swiglu against fp64; the reference's gradient against finite differences of its forward pass.
#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "ops/nn.hpp"
#include "ops/reference/swiglu.hpp"

namespace apiq {
namespace {

class Swiglu : public testing::VariantTest {
 protected:
  /// exp of an argument up to 20 is off by a few ulp, the products and the division by a few more: 16 eps of
  /// the largest term, then storage.
  void expect_close(const std::vector<float>& got, const std::vector<double>& expected,
                    const char* what) const {
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], expected[i],
                  16 * 0x1p-24 * (1 + std::abs(expected[i])) +
                      testing::storage_eps(dtype()) * std::abs(expected[i]) + 0x1p-25)
          << what << ' ' << i;
  }

  void check(std::size_t n) {
    SCOPED_TRACE(n);
    const auto gate = values(n, 1, -8.0f, 8.0f), up = values(n, 2), dz = values(n, 3);
    const auto gate_dev = on().upload(gate, {n}, dtype()), up_dev = on().upload(up, {n}, dtype()),
               dz_dev = on().upload(dz, {n}, dtype());
    const auto z = on().tensor({n}, dtype());
    ops::swiglu_fwd(on().queue(), gate_dev, up_dev, z);
    expect_close(on().download(z),
                 ops::reference::swiglu_fwd(testing::as_doubles(gate), testing::as_doubles(up)), "z");
    ops::swiglu_bwd(on().queue(), gate_dev, up_dev, dz_dev, gate_dev, up_dev);  // in place
    const auto d = ops::reference::swiglu_bwd(testing::as_doubles(gate), testing::as_doubles(up),
                                              testing::as_doubles(dz));
    expect_close(on().download(gate_dev), d.gate, "d_gate");
    expect_close(on().download(up_dev), d.up, "d_up");
  }
};

TEST_P(Swiglu, EveryRaggedCount) {
  for (std::size_t n = 1; n <= 50; ++n) check(n);
  for (const std::size_t n : {1023, 1024, 1025, 4097, 20000}) check(n);
}

TEST_P(Swiglu, FarEndsStayFinite) {
  // exp(-gate) overflows at -100 and vanishes at 100: silu is then 0 and gate.
  const auto gate = on().upload(std::vector<float>{-100.0f, 100.0f}, {2}, dtype()),
             ones = on().upload(std::vector<float>{1.0f, 1.0f}, {2}, dtype());
  const auto z = on().tensor({2}, dtype()), d_gate = on().tensor({2}, dtype()),
             d_up = on().tensor({2}, dtype());
  ops::swiglu_fwd(on().queue(), gate, ones, z);
  EXPECT_EQ(on().download(z), (std::vector<float>{0.0f, 100.0f}));
  ops::swiglu_bwd(on().queue(), gate, ones, ones, d_gate, d_up);
  EXPECT_EQ(on().download(d_gate), (std::vector<float>{0.0f, 1.0f}));
  EXPECT_EQ(on().download(d_up), (std::vector<float>{0.0f, 100.0f}));
}

TEST_P(Swiglu, RefusesDifferentCounts) {
  const auto a = on().tensor({8}, dtype()), b = on().tensor({9}, dtype());
  EXPECT_THROW(ops::swiglu_fwd(on().queue(), a, b, a), ShapeError);
}

TEST(SwigluReference, GradientIsTheSlopeOfTheForwardPass) {
  const double h = 1e-5;  // error about h^2 plus 1e-16 / h
  const std::vector<double> up{0.7}, dz{1.3};
  for (const double g : {-6.0, -1.0, 0.0, 0.4, 5.0}) {
    const auto d = ops::reference::swiglu_bwd(std::vector<double>{g}, up, dz);
    const auto z = [&](double gate, double u) {
      return ops::reference::swiglu_fwd(std::vector<double>{gate}, std::vector<double>{u})[0] * dz[0];
    };
    EXPECT_NEAR(d.gate[0], (z(g + h, up[0]) - z(g - h, up[0])) / (2 * h), 1e-8);
    EXPECT_NEAR(d.up[0], (z(g, up[0] + h) - z(g, up[0] - h)) / (2 * h), 1e-8);
  }
}

INSTANTIATE_TEST_SUITE_P(Nn, Swiglu, testing::all_variants(), testing::variant_name);

}  // namespace
}  // namespace apiq
