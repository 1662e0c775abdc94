// ApiQ's layer-wise loss and gradients on the device against the same formulas in fp64, and those against central differences.
#include "quant/linear_gradients.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "cases/device_fixture.hpp"
#include "ops/reference/fake_quant.hpp"

namespace apiq {
namespace {

using testing::download;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;
using Doubles = std::vector<double>;

struct Sizes {
  std::uint64_t tokens, out, in;
  std::uint32_t rank;
};

/// sum over k of a[i][k] * b[j][k].
double dot(const Doubles& a, std::size_t i, const Doubles& b, std::size_t j, std::size_t k_count) {
  double sum = 0;
  for (std::size_t k = 0; k < k_count; ++k) sum += a[i * k_count + k] * b[j * k_count + k];
  return sum;
}

/// The objective as a function of the LoRA pair and of the dequantized weight, fp64.
double loss_of(const Sizes& s, double c, const Doubles& x, const Doubles& what, const Doubles& A, const Doubles& B, const Doubles& target) {
  double loss = 0;
  for (std::size_t t = 0; t < s.tokens; ++t) {
    Doubles low(s.rank);
    for (std::size_t r = 0; r < s.rank; ++r) low[r] = dot(x, t, A, r, s.in);
    for (std::size_t o = 0; o < s.out; ++o) {
      double y = dot(x, t, what, o, s.in);
      for (std::size_t r = 0; r < s.rank; ++r) y += c * low[r] * B[o * s.rank + r];
      loss += (y - target[t * s.out + o]) * (y - target[t * s.out + o]);
    }
  }
  return loss / static_cast<double>(s.tokens * s.out);
}

Doubles doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

/// d loss / d values[i] by central differences; the objective is quadratic in each argument, so only fp64 rounding remains.
template <class F>
double difference(const F& loss, Doubles values, std::size_t i) {
  const double h = 1e-4, at = values[i];
  values[i] = at + h;
  const double up = loss(values);
  values[i] = at - h;
  return (up - loss(values)) / (2 * h);
}

class LinearGradientsTest : public ::testing::TestWithParam<std::tuple<Sizes, ops::QuantSpec>> {};

TEST_P(LinearGradientsTest, MatchFiniteDifferences) {
  const auto& [s, spec] = GetParam();
  auto& queue = shared_queue();
  const auto w = random_floats(s.out * s.in, 1), x = random_floats(s.tokens * s.in, 2), target = random_floats(s.tokens * s.out, 3);
  const auto weight = upload(w, {s.out, s.in}), input = upload(x, {s.tokens, s.in}), wanted = upload(target, {s.tokens, s.out});
  quant::ClippedGrid grid(queue, weight, spec);
  quant::LoraState lora(queue, static_cast<std::uint32_t>(s.out), static_cast<std::uint32_t>(s.in), s.rank, 16.0f, 5);
  if (s.rank != 0) queue.write(lora.B(), random_floats(s.out * s.rank, 4).data());
  quant::LinearGradients gradients(queue, grid, lora, weight.shape());
  const auto loss = testing::device_tensor({1});
  gradients.compute(input, wanted, loss);

  const double c = lora.scaling();
  const Doubles A = s.rank ? doubles(download(lora.A())) : Doubles{}, B = s.rank ? doubles(download(lora.B())) : Doubles{};
  const auto scale = download(grid.scale()), zero = download(grid.zero());
  const Doubles what = ops::reference::fake_quant_fwd(spec, w, scale, zero);
  const Doubles xd = doubles(x), td = doubles(target);
  const double expected_loss = loss_of(s, c, xd, what, A, B, td);
  // f32 sums of tokens * out squares, each from products over `in`: relative error well below 1e-5.
  EXPECT_NEAR(download(loss)[0] / static_cast<double>(s.tokens * s.out), expected_loss, 1e-5 * expected_loss);

  // Gradients are sums over tokens and features of terms of order 1 / out; 1e-5 of the largest covers their f32 rounding.
  const auto expect_close = [](const std::vector<float>& device, const Doubles& exact, const char* name) {
    double largest = 0;
    for (const double value : exact) largest = std::max(largest, std::abs(value));
    ASSERT_GT(largest, 0) << name;
    for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(device[i], exact[i], 1e-5 * largest) << name << " " << i;
  };
  const auto by_differences = [](const auto& loss_function, const Doubles& values) {
    Doubles out(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) out[i] = difference(loss_function, values, i);
    return out;
  };
  if (s.rank != 0) {
    expect_close(download(lora.dA()), by_differences([&](const Doubles& v) { return loss_of(s, c, xd, what, v, B, td); }, A), "dA");
    expect_close(download(lora.dB()), by_differences([&](const Doubles& v) { return loss_of(s, c, xd, what, A, v, td); }, B), "dB");
  }
  // dWhat by differences, then to the logits by the reference backward pass (itself checked by differences in ops/fake_quant_test).
  const Doubles d_what = by_differences([&](const Doubles& v) { return loss_of(s, c, xd, v, A, B, td); }, what);
  const auto range = ops::reference::group_range(w, spec.group_size);
  const std::vector<float> xmin(range.xmin.begin(), range.xmin.end()), xmax(range.xmax.begin(), range.xmax.end());
  const std::vector<float> logit(xmin.size(), quant::kInitialLogit), d_what_f(d_what.begin(), d_what.end());
  const auto expected = ops::reference::fake_quant_bwd(spec, w, scale, zero, xmin, xmax, logit, logit, d_what_f);
  Doubles d_logits = expected.d_upbound;
  d_logits.insert(d_logits.end(), expected.d_lowbound.begin(), expected.d_lowbound.end());
  expect_close(download(gradients.d_logits()), d_logits, "d_logits");
}

INSTANTIATE_TEST_SUITE_P(Quant, LinearGradientsTest,
                         ::testing::Combine(::testing::Values(Sizes{7, 10, 24, 0}, Sizes{7, 10, 24, 3}, Sizes{16, 33, 40, 8}),
                                            ::testing::Values(ops::QuantSpec{2, 8, false, true}, ops::QuantSpec{3, 4, true, true},
                                                              ops::QuantSpec{4, 8, true, true})));

}  // namespace
}  // namespace apiq
