// attention_fwd against the fp64 reference: prefill, chunks and decoding, grouped heads, odd head sizes, both
// presets and types.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "ops/nn.hpp"
#include "ops/reference/attention.hpp"

namespace apiq {
namespace {

struct Case {
  std::size_t num_queries, num_keys, heads, kv_heads, head_dim;
};

class Attention : public testing::VariantTest {
 protected:
  /// Largest difference that rounding explains. A score is a sum of head_dim products of at most s = |q||k| /
  /// sqrt(head_dim) in magnitude, so its f32 error is below 2 head_dim eps s; p = exp(score) carries that
  /// error relatively, and so does every output (a mean of values below 1). The sums over keys add num_keys
  /// eps, the exponentials 8 eps; lse has the error of one score plus that of the sum. Storage rounds once
  /// more.
  static double tolerance(const Case& c, double score_bound) {
    const double eps = 0x1p-24;
    return (2.0 * static_cast<double>(c.head_dim) * score_bound + 2.0 * static_cast<double>(c.num_keys) +
            16) *
           eps;
  }

  void check(const Case& c, float magnitude = 1.0f) {
    SCOPED_TRACE(::testing::Message() << c.num_queries << " queries, " << c.num_keys << " keys, " << c.heads
                                      << "/" << c.kv_heads << " heads of " << c.head_dim);
    const auto q = values(c.num_queries * c.heads * c.head_dim, 1, -magnitude, magnitude);
    const auto k = values(c.num_keys * c.kv_heads * c.head_dim, 2, -magnitude, magnitude),
               v = values(c.num_keys * c.kv_heads * c.head_dim, 3);
    const Shape q_shape{c.num_queries, c.heads, c.head_dim}, kv_shape{c.num_keys, c.kv_heads, c.head_dim};
    const auto q_dev = on().upload(q, q_shape, dtype()), k_dev = on().upload(k, kv_shape, dtype()),
               v_dev = on().upload(v, kv_shape, dtype());
    const auto out = on().tensor(q_shape, dtype()), lse = on().tensor({c.heads, c.num_queries});
    ops::attention_fwd(on().queue(), q_dev, k_dev, v_dev, out, lse);
    const auto got = on().download(out), got_lse = on().download(lse);
    const auto expected =
        ops::reference::attention_fwd(testing::as_doubles(q), testing::as_doubles(k), testing::as_doubles(v),
                                      c.heads, c.kv_heads, c.head_dim);
    const double bound =
        tolerance(c, double{magnitude} * double{magnitude} * std::sqrt(static_cast<double>(c.head_dim)));
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], expected.out[i],
                  bound + testing::storage_eps(dtype()) * std::abs(expected.out[i]) + 0x1p-25)
          << "out " << i;
    for (std::size_t i = 0; i < got_lse.size(); ++i)
      ASSERT_NEAR(got_lse[i], expected.lse[i], bound * (1 + std::abs(expected.lse[i]))) << "lse " << i;
  }
};

TEST_P(Attention, PrefillOfEveryLengthAroundATile) {
  for (const std::size_t tokens : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 50})
    check({tokens, tokens, 4, 2, 8});
}

TEST_P(Attention, HeadSizes) {
  // Compiling takes seconds per size: powers of two are in the other tests, here is what no vector divides,
  // and the usual largest.
  for (const std::size_t head_dim : {40, 128}) check({19, 19, 2, 1, head_dim});
  for (const std::size_t head_dim : {20, 128}) check({1, 70, 2, 1, head_dim});
}

TEST_P(Attention, ChunksSeeTheKeysBeforeThem) {
  check({5, 23, 4, 2, 8});
  check({16, 48, 2, 2, 8});
  check({33, 100, 8, 1, 8});
}

TEST_P(Attention, Decoding) {
  for (const std::size_t keys : {1, 2, 15, 16, 17, 255, 1000}) check({1, keys, 4, 2, 32});
  check({1, 1500, 1, 1, 32});  // few rows: the keys are split over work-groups
  check({3, 700, 1, 1, 32});   // splits that end in the middle of the masked corner
}

TEST_P(Attention, EveryGrouping) {
  for (const std::size_t kv_heads : {1, 2, 3, 6}) check({11, 13, 6, kv_heads, 8});
}

TEST_P(Attention, LargeScoresDoNotOverflow) {
  // Scores reach about +-100 * sqrt(8) / 3: far past where exp of a score itself overflows.
  if (dtype() == DType::f32) check({20, 20, 2, 1, 8}, 10.0f);
  check({1, 300, 1, 1, 8}, 10.0f);
}

TEST_P(Attention, SmallProbabilitiesKeepTheirDigits) {
  if (dtype() != DType::f32) GTEST_SKIP() << "binary16 cannot hold e^-78";
  // Query i scores 0 on the first key, -x on the second with x from 0.7 to 78, and so little on the others
  // that they must count as exactly nothing; only the second value is not 0. So out = e / (1 + e) with e =
  // exp(-x), to a relative error, which tests the exponential itself.
  const std::size_t queries = 40, keys = 42, dim = 8;
  std::vector<float> q(queries * dim), k(keys * dim), v(keys * dim);
  for (std::size_t i = 0; i < queries; ++i) q[i * dim] = (static_cast<float>(i) + 0.37f) * 5.6f;
  for (std::size_t i = 1; i < keys; ++i) k[i * dim] = i == 1 ? -1.0f : -1e4f;
  std::fill_n(&v[dim], dim, 1.0f);
  const auto q_dev = on().upload(q, {queries, 1, dim}), k_dev = on().upload(k, {keys, 1, dim}),
             v_dev = on().upload(v, {keys, 1, dim});
  const auto out = on().tensor({queries, 1, dim});
  ops::attention_fwd(on().queue(), q_dev, k_dev, v_dev, out);
  const auto got = on().download(out);
  for (std::size_t i = 0; i < queries; ++i) {
    const double x = q[i * dim] / std::sqrt(8.0), e = std::exp(-x), expected = e / (1 + e);
    // Roundings of scale and factor, of their product with q, and of the score: 4 |x| u; 2^x 3 ulp, its sum,
    // the division.
    ASSERT_NEAR(got[i * dim + 3], expected, expected * (4 * x + 12) * 0x1p-24) << "x " << x;
  }
}

TEST_P(Attention, ViewsIntoLargerTensors) {
  // q, k and v as row ranges of one buffer, and no lse: nothing outside the ranges may change.
  const Case c{6, 6, 1, 1, 8};
  const auto data = values(40 * 8, 5);
  auto buffer = on().upload(data, {40, 1, 8}, dtype());
  const auto& all = buffer.view();
  ops::attention_fwd(on().queue(), all.rows(3, 6), all.rows(11, 6), all.rows(20, 6), all.rows(30, 6));
  const auto got = on().download(all);
  const auto part = [&](std::size_t first) {
    return std::vector<double>(data.begin() + static_cast<long>(first * 8),
                               data.begin() + static_cast<long>((first + 6) * 8));
  };
  const auto expected = ops::reference::attention_fwd(part(3), part(11), part(20), 1, 1, 8);
  for (std::size_t i = 0; i < data.size(); ++i) {
    const bool written = i >= 30 * 8 && i < 36 * 8;
    ASSERT_NEAR(got[i], written ? expected.out[i - 30 * 8] : double{data[i]},
                written ? tolerance(c, 3) + testing::storage_eps(dtype()) : 0.0)
        << i;
  }
}

TEST_P(Attention, RefusesWrongShapes) {
  const auto q = on().tensor({4, 3, 8}, dtype()), k = on().tensor({4, 2, 8}, dtype()),
             short_k = on().tensor({3, 3, 8}, dtype());
  EXPECT_THROW(ops::attention_fwd(on().queue(), q, k, k, q), ShapeError);  // 3 heads cannot share 2
  EXPECT_THROW(ops::attention_fwd(on().queue(), q, short_k, short_k, q),
               ShapeError);  // fewer keys than queries
}

INSTANTIATE_TEST_SUITE_P(Nn, Attention, testing::all_variants(), testing::variant_name);

}  // namespace
}  // namespace apiq
