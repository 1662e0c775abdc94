// attention_bwd against the fp64 reference over ragged sizes, grouped heads, odd head sizes, both presets and
// types; the reference against finite differences of the forward reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "ops/nn.hpp"
#include "ops/reference/attention.hpp"

namespace apiq {
namespace {

using Doubles = std::vector<double>;

struct Case {
  std::size_t tokens, heads, kv_heads, head_dim;
  std::size_t q_count() const { return tokens * heads * head_dim; }
  std::size_t kv_count() const { return tokens * kv_heads * head_dim; }
};

struct Problem {
  Doubles q, k, v, d_out;
};

/// What the terms of every gradient sum up to in magnitude, and how far all of them may be off relative to
/// that.
struct Bound {
  ops::reference::AttentionGradients magnitudes;
  double relative = 0;
};

/// With u = 2^-24, n = head_dim, s the largest sum of magnitudes in a score: a score is off by (n + 2) u s,
/// lse by that plus (tokens + 8) u for its sum and u |lse|; so p = exp(score - lse) is off by the two of
/// them, the rounding of the difference and 6 u of exp. The forward's output has the error of its p and sum,
/// at most |v| <= 1 times as large. ds adds n u of its two dot products, each gradient (tokens * heads /
/// kv_heads) u. A gradient is a sum of products with p, or with ds, whose own terms are p |d_out v| and p
/// |d_out out| <= p |d_out|. f16: out was rounded.
Bound bound_of(const Case& c, const Problem& x, DType dtype) {
  const double u = 0x1p-24, scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  const std::size_t n = c.head_dim, shared_by = c.heads / c.kv_heads;
  const auto lse = ops::reference::attention_fwd(x.q, x.k, x.v, c.heads, c.kv_heads, n).lse;
  Bound bound{{Doubles(x.q.size()), Doubles(x.k.size()), Doubles(x.v.size())}, 0};
  double largest_score = 0, largest_lse = 0;
  for (const double value : lse) largest_lse = std::max(largest_lse, std::abs(value));
  for (std::size_t head = 0; head < c.heads; ++head)
    for (std::size_t query = 0; query < c.tokens; ++query)
      for (std::size_t key = 0; key <= query; ++key) {
        const double *q = &x.q[(query * c.heads + head) * n], *d_out = &x.d_out[(query * c.heads + head) * n];
        const std::size_t at = (key * c.kv_heads + head / shared_by) * n;
        double score = 0, terms = 0, ds = 0;
        for (std::size_t d = 0; d < n; ++d) {
          score += scale * q[d] * x.k[at + d];
          terms += scale * std::abs(q[d] * x.k[at + d]);
          ds += std::abs(d_out[d]) * (std::abs(x.v[at + d]) + 1);
        }
        largest_score = std::max(largest_score, terms);
        const double p = std::exp(score - lse[head * c.tokens + query]);
        for (std::size_t d = 0; d < n; ++d) {
          bound.magnitudes.q[(query * c.heads + head) * n + d] += scale * p * ds * std::abs(x.k[at + d]);
          bound.magnitudes.k[at + d] += scale * p * ds * std::abs(q[d]);
          bound.magnitudes.v[at + d] += p * std::abs(d_out[d]);
        }
      }
  const double size = static_cast<double>(n), tokens = static_cast<double>(c.tokens);
  const double p_error = 2 * (size + 2) * largest_score + (tokens + 8) + 2 * largest_lse + largest_score + 6;
  const double out_error = 2 * (size + 2) * largest_score + 2 * tokens + 16;
  bound.relative = u * (p_error + out_error + size + 4 + tokens * static_cast<double>(shared_by)) +
                   (dtype == DType::f16 ? 0x1p-11 : 0);
  return bound;
}

class AttentionBwd : public testing::VariantTest {
 protected:
  void expect_close(const char* name, const std::vector<float>& got, const Doubles& expected,
                    const Doubles& magnitudes, double relative) {
    ASSERT_EQ(got.size(), expected.size()) << name;
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], expected[i],
                  relative * magnitudes[i] + testing::storage_eps(dtype()) * std::abs(expected[i]) + 0x1p-25)
          << name << ' ' << i;
  }

  void check(const Case& c, float magnitude = 1.0f) {
    SCOPED_TRACE(::testing::Message()
                 << c.tokens << " tokens, " << c.heads << "/" << c.kv_heads << " heads of " << c.head_dim);
    const auto q = values(c.q_count(), 1, -magnitude, magnitude),
               k = values(c.kv_count(), 2, -magnitude, magnitude), v = values(c.kv_count(), 3),
               d_out = values(c.q_count(), 4);
    const Shape q_shape{c.tokens, c.heads, c.head_dim}, kv_shape{c.tokens, c.kv_heads, c.head_dim};
    const auto q_dev = on().upload(q, q_shape, dtype()), k_dev = on().upload(k, kv_shape, dtype()),
               v_dev = on().upload(v, kv_shape, dtype()), d_out_dev = on().upload(d_out, q_shape, dtype());
    const auto out = on().tensor(q_shape, dtype()), lse = on().tensor({c.heads, c.tokens}),
               d_q = on().tensor(q_shape, dtype());
    // NaN in what is to be overwritten: the sums must not begin from it.
    const std::vector<float> nan(c.kv_count(), NAN);
    const auto d_k = on().upload(nan, kv_shape, dtype()), d_v = on().upload(nan, kv_shape, dtype());
    ops::attention_fwd(on().queue(), q_dev, k_dev, v_dev, out, lse);
    ops::attention_bwd(on().queue(), q_dev, k_dev, v_dev, out, lse, d_out_dev, d_q, d_k, d_v);

    const Problem problem{testing::as_doubles(q), testing::as_doubles(k), testing::as_doubles(v),
                          testing::as_doubles(d_out)};
    const auto expected = ops::reference::attention_bwd(problem.q, problem.k, problem.v, problem.d_out,
                                                        c.heads, c.kv_heads, c.head_dim);
    const Bound bound = bound_of(c, problem, dtype());
    expect_close("d_q", on().download(d_q), expected.q, bound.magnitudes.q, bound.relative);
    expect_close("d_k", on().download(d_k), expected.k, bound.magnitudes.k, bound.relative);
    expect_close("d_v", on().download(d_v), expected.v, bound.magnitudes.v, bound.relative);
  }
};

TEST_P(AttentionBwd, EveryLengthAroundATile) {
  for (const std::size_t tokens : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 100, 200})
    check({tokens, 4, 2, 8});
}

TEST_P(AttentionBwd, HeadSizes) {
  // What no vector divides, and what is staged in several parts; GPU tiles take PoCL seconds a size, CPUs get
  // the sizes of models as well.
  std::vector<std::size_t> sizes{20, 128};
  if (std::string_view(GetParam().preset) == "cpu") sizes.insert(sizes.end(), {32, 64});
  for (const std::size_t head_dim : sizes) check({37, 2, 1, head_dim});
}

TEST_P(AttentionBwd, EveryGrouping) {
  for (const std::size_t kv_heads : {1, 2, 3, 6}) check({21, 6, kv_heads, 8});
  check({35, 8, 1, 8});
  check({70, 1, 1, 8});
}

TEST_P(AttentionBwd, OneChunkOfRows) {
  // Heads enough to fill the device: a work-group takes all rows of its head, and f32 sums are made where the
  // result belongs.
  const std::size_t heads = 4 * on().device().info().compute_units;
  check({150, heads, heads, 8});
}

TEST_P(AttentionBwd, LargeScoresDoNotOverflow) {
  // Scores reach about +-100 * sqrt(8) / 3: far past where exp of a score itself overflows.
  if (dtype() == DType::f32) check({20, 2, 1, 8}, 10.0f);
}

TEST_P(AttentionBwd, GradientOfQMayReplaceWhatItsRowCameFrom) {
  const Case c{45, 4, 2, 8};
  const Shape q_shape{c.tokens, c.heads, c.head_dim}, kv_shape{c.tokens, c.kv_heads, c.head_dim};
  const auto q = on().upload(values(c.q_count(), 1), q_shape, dtype()),
             k = on().upload(values(c.kv_count(), 2), kv_shape, dtype()),
             v = on().upload(values(c.kv_count(), 3), kv_shape, dtype()),
             d_out = on().upload(values(c.q_count(), 4), q_shape, dtype());
  const auto out = on().tensor(q_shape, dtype()), lse = on().tensor({c.heads, c.tokens}),
             d_q = on().tensor(q_shape, dtype());
  const auto d_k = on().tensor(kv_shape, dtype()), d_v = on().tensor(kv_shape, dtype());
  ops::attention_fwd(on().queue(), q, k, v, out, lse);
  ops::attention_bwd(on().queue(), q, k, v, out, lse, d_out, d_q, d_k, d_v);
  const auto expected_q = on().download(d_q), expected_k = on().download(d_k),
             expected_v = on().download(d_v);
  for (const auto* replaced : {&q, &out, &d_out}) {
    const auto before = on().tensor(q_shape, dtype());
    on().queue().copy(*replaced, before);
    ops::attention_bwd(on().queue(), q, k, v, out, lse, d_out, *replaced, d_k, d_v);
    EXPECT_EQ(on().download(*replaced), expected_q);  // the same bytes: nothing depends on timing
    EXPECT_EQ(on().download(d_k), expected_k);
    EXPECT_EQ(on().download(d_v), expected_v);
    on().queue().copy(before, *replaced);
  }
}

TEST_P(AttentionBwd, ViewsIntoLargerTensors) {
  // Everything but lse as row ranges of one buffer: nothing outside the results' ranges may change.
  const std::size_t tokens = 6, dim = 8;
  const auto data = values(70 * dim, 5);
  const auto buffer = on().upload(data, {70, 1, dim}, dtype());
  const auto& all = buffer.view();
  const auto lse = on().tensor({1, tokens});
  ops::attention_fwd(on().queue(), all.rows(3, 6), all.rows(11, 6), all.rows(20, 6), all.rows(28, 6), lse);
  ops::attention_bwd(on().queue(), all.rows(3, 6), all.rows(11, 6), all.rows(20, 6), all.rows(28, 6), lse,
                     all.rows(35, 6), all.rows(42, 6), all.rows(50, 6), all.rows(57, 6));
  const auto got = on().download(all);
  const auto part = [&](std::size_t first) {
    return Doubles(data.begin() + static_cast<long>(first * dim),
                   data.begin() + static_cast<long>((first + tokens) * dim));
  };
  const Problem problem{part(3), part(11), part(20), part(35)};
  const auto expected =
      ops::reference::attention_bwd(problem.q, problem.k, problem.v, problem.d_out, 1, 1, dim);
  const Bound bound = bound_of({tokens, 1, 1, dim}, problem, dtype());
  const auto range = [&](std::size_t first) {
    return std::vector<float>(got.begin() + static_cast<long>(first * dim),
                              got.begin() + static_cast<long>((first + tokens) * dim));
  };
  expect_close("d_q", range(42), expected.q, bound.magnitudes.q, bound.relative);
  expect_close("d_k", range(50), expected.k, bound.magnitudes.k, bound.relative);
  expect_close("d_v", range(57), expected.v, bound.magnitudes.v, bound.relative);
  for (std::size_t row = 0; row < 70; ++row) {
    const bool written = std::ranges::any_of(std::array<std::size_t, 4>{28, 42, 50, 57},
                                             [&](std::size_t r) { return row >= r && row < r + tokens; });
    for (std::size_t i = row * dim; !written && i < (row + 1) * dim; ++i) ASSERT_EQ(got[i], data[i]) << i;
  }
}

TEST_P(AttentionBwd, RefusesWrongShapes) {
  auto& queue = on().queue();
  const auto q = on().tensor({4, 4, 8}, dtype()), k = on().tensor({4, 2, 8}, dtype()),
             lse = on().tensor({4, 4});
  const auto odd_k = on().tensor({4, 3, 8}, dtype()), long_k = on().tensor({5, 2, 8}, dtype()),
             small_lse = on().tensor({4, 3});
  EXPECT_THROW(ops::attention_bwd(queue, q, odd_k, odd_k, q, lse, q, q, odd_k, odd_k),
               ShapeError);  // 4 heads cannot share 3
  EXPECT_THROW(ops::attention_bwd(queue, q, long_k, long_k, q, lse, q, q, long_k, long_k),
               ShapeError);  // decoding has no gradient
  EXPECT_THROW(ops::attention_bwd(queue, q, k, k, q, small_lse, q, q, k, k), ShapeError);
  EXPECT_THROW(ops::attention_bwd(queue, q, k, k, q, {}, q, q, k, k),
               ShapeError);  // the forward pass has to write lse
  EXPECT_THROW(ops::attention_bwd(queue, q, k, k, q, lse, k, q, k, k), ShapeError);
}

INSTANTIATE_TEST_SUITE_P(Nn, AttentionBwd, testing::all_variants(), testing::variant_name);

TEST(AttentionBwdReference, AgreesWithFiniteDifferences) {
  const Case c{5, 4, 2, 3};
  const auto q = testing::as_doubles(testing::random_floats(c.q_count(), 1)),
             k = testing::as_doubles(testing::random_floats(c.kv_count(), 2)),
             v = testing::as_doubles(testing::random_floats(c.kv_count(), 3)),
             d_out = testing::as_doubles(testing::random_floats(c.q_count(), 4));
  std::array<Doubles, 3> inputs{q, k, v};
  const auto loss = [&] {
    const auto out =
        ops::reference::attention_fwd(inputs[0], inputs[1], inputs[2], c.heads, c.kv_heads, c.head_dim).out;
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * d_out[i];
    return sum;
  };
  const auto gradients = ops::reference::attention_bwd(q, k, v, d_out, c.heads, c.kv_heads, c.head_dim);
  const std::array<const Doubles*, 3> expected{&gradients.q, &gradients.k, &gradients.v};
  // The loss is of order 1 with derivatives of order 1: a step h is off by h^2 = 1e-10 of its third, and
  // rounding adds 2^-52 / h = 2e-11.
  constexpr double h = 1e-5;
  for (std::size_t input = 0; input < inputs.size(); ++input)
    for (std::size_t i = 0; i < inputs[input].size(); ++i) {
      double& value = inputs[input][i];
      const double kept = value;
      value = kept + h;
      const double above = loss();
      value = kept - h;
      const double below = loss();
      value = kept;
      ASSERT_NEAR((above - below) / (2 * h), (*expected[input])[i], 1e-9)
          << "input " << input << " element " << i;
    }
}

}  // namespace
}  // namespace apiq
