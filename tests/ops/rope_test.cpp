// Rotary embedding: tables against PyTorch's numbers, rotations against fp64, and the backward pass as the
// exact inverse.
#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "ops/nn.hpp"
#include "ops/reference/rope.hpp"

namespace apiq {
namespace {

struct Golden {
  float theta;
  std::uint32_t head_dim, position, pair;
  float cos, sin;
};

// PyTorch 1.13.1 on the CPU, as transformers computes them: inv = 1 / theta ** (arange(0, head_dim,
// 2).float() / head_dim), angle = position.float() * inv, angle.cos(), angle.sin().
constexpr Golden kGolden[] = {
    {10000, 32, 1, 0, 0.5403023362159729f, 0.8414709568023682f},
    {10000, 32, 1, 1, 0.8460091352462769f, 0.5331684350967407f},
    {10000, 32, 1, 15, 1.0f, 0.00017782794020604342f},
    {10000, 32, 17, 5, 0.5768083333969116f, 0.8168795108795166f},
    {10000, 32, 511, 0, -0.47167888283729553f, 0.8817703723907471f},
    {10000, 32, 511, 1, -0.09914983063936234f, -0.9950724840164185f},
    {10000, 32, 511, 5, -0.8954720497131348f, -0.445117712020874f},
    {10000, 32, 511, 15, 0.9958741664886475f, 0.09074506908655167f},
    {500000, 128, 8191, 1, 0.9773988127708435f, -0.21140386164188385f},
    {500000, 128, 8191, 20, -0.848267138004303f, -0.5295684933662415f},
    {500000, 128, 8191, 63, 0.9997978210449219f, 0.020108701661229134f},
    {500000, 128, 100000, 1, 0.9756255745887756f, 0.21944192051887512f},
    {500000, 128, 100000, 20, -0.911146342754364f, -0.4120829403400421f},
    {500000, 128, 100000, 63, 0.9700124859809875f, 0.24305500090122223f},
};

TEST(RopeTables, AgreeWithPyTorch) {
  auto& on = testing::preset_device("cpu");
  for (const auto& golden : kGolden) {
    const Shape shape{golden.position + 1, golden.head_dim / 2};
    const auto cos = on.tensor(shape), sin = on.tensor(shape);
    ops::rope_tables(on.queue(), golden.theta, golden.head_dim, cos, sin);
    // The f32 angle is the same number, so cos and sin differ by the last place of either library (2^-24
    // below 1) at most.
    EXPECT_NEAR(on.download(cos.view().rows(golden.position, 1))[golden.pair], golden.cos, 0x1p-24)
        << golden.position << ' ' << golden.pair;
    EXPECT_NEAR(on.download(sin.view().rows(golden.position, 1))[golden.pair], golden.sin, 0x1p-24)
        << golden.position << ' ' << golden.pair;
  }
}

class Rope : public testing::VariantTest {
 protected:
  void check(std::size_t tokens, std::size_t heads, std::uint32_t head_dim, std::uint32_t first) {
    SCOPED_TRACE(::testing::Message()
                 << tokens << " tokens, " << heads << " heads of " << head_dim << " from " << first);
    const Shape table_shape{first + tokens, head_dim / 2}, shape{tokens, heads, head_dim};
    const auto cos = on().tensor(table_shape), sin = on().tensor(table_shape);
    ops::rope_tables(on().queue(), 10000.0f, head_dim, cos, sin);
    const auto x = values(tokens * heads * head_dim, 1);
    // Angles: rounding of inv_freq and of the product, 2^-23 of the position; the two products add 3 eps.
    const double bound =
        static_cast<double>(first + tokens) * 0x1p-22 + 4 * 0x1p-24 + 2 * testing::storage_eps(dtype());
    for (const bool inverse : {false, true}) {
      const auto x_dev = on().upload(x, shape, dtype());
      (inverse ? ops::rope_bwd : ops::rope_fwd)(on().queue(), x_dev, cos, sin, first);
      const auto got = on().download(x_dev);
      const auto expected =
          ops::reference::rope(testing::as_doubles(x), heads, head_dim, 10000.0, first, inverse);
      for (std::size_t i = 0; i < got.size(); ++i)
        ASSERT_NEAR(got[i], expected[i], bound) << (inverse ? "bwd " : "fwd ") << i;
    }
  }
};

TEST_P(Rope, HeadSizes) {
  for (const std::uint32_t head_dim : {2u, 8u, 32u, 34u, 40u, 64u, 96u, 128u}) check(3, 2, head_dim, 5);
}

TEST_P(Rope, TokensAndHeads) {
  for (std::size_t tokens = 1; tokens <= 5; ++tokens)
    for (const std::size_t heads : {1, 3, 8}) check(tokens, heads, 16, 0);
  check(40, 32, 64, 17);
}

TEST_P(Rope, BackwardUndoesForward) {
  const auto cos = on().tensor({300, 16}), sin = on().tensor({300, 16});
  ops::rope_tables(on().queue(), 10000.0f, 32, cos, sin);
  const auto x = values(4 * 2 * 32, 1);
  const auto x_dev = on().upload(x, {4, 2, 32}, dtype());
  ops::rope_fwd(on().queue(), x_dev, cos, sin, 290);
  ops::rope_bwd(on().queue(), x_dev, cos, sin, 290);
  const auto got = on().download(x_dev);
  // cos^2 + sin^2 = 1 within 4 eps, and two roundings to storage of values up to sqrt(2), each turned into
  // both members of a pair.
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(got[i], x[i], 8 * 0x1p-24 + 4 * testing::storage_eps(dtype())) << i;
}

TEST_P(Rope, RefusesPositionsPastTheTables) {
  const auto cos = on().tensor({4, 4}), sin = on().tensor({4, 4}), x = on().tensor({2, 1, 8}, dtype());
  EXPECT_THROW(ops::rope_fwd(on().queue(), x, cos, sin, 3), ShapeError);
}

INSTANTIATE_TEST_SUITE_P(Nn, Rope, testing::all_variants(), testing::variant_name);

}  // namespace
}  // namespace apiq
