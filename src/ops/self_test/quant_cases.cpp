// Fake quantization, forward, backward and codes, on asymmetric and symmetric grids; second moments; and the
// optimizer.
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "ops/adamw.hpp"
#include "ops/fake_quant.hpp"
#include "ops/moments.hpp"
#include "ops/reference/adamw.hpp"
#include "ops/reference/fake_quant.hpp"
#include "ops/self_test/cases.hpp"

namespace apiq::ops::self_test {

namespace {

constexpr std::uint64_t kRows = 24, kIn = 256;

/// Weights with everything the forward and backward passes make of them.
struct OnDevice {
  OnDevice(Queue& q, const QuantSpec& s)
      : queue(q),
        spec(s),
        grid{kRows, kIn / s.group_size},
        w_host(random_values(kRows * kIn, 1)),
        up_host(random_values(grid.elements(), 2, -2, 6)),
        low_host(random_values(grid.elements(), 3, -2, 6)),
        w(put(q, w_host, {kRows, kIn})),
        up(put(q, up_host, grid)),
        low(put(q, low_host, grid)) {
    ops::group_range(queue, w, spec.group_size, xmin, xmax);
    ops::quant_grid(queue, spec, xmin, xmax, up, low, scale, zero);
  }
  std::vector<float> host(const DeviceTensor& tensor) const { return runtime::read_floats(queue, tensor); }

  Queue& queue;
  QuantSpec spec;
  Shape grid;
  std::vector<float> w_host, up_host, low_host;
  DeviceTensor w, up, low, xmin = space(queue, grid), xmax = space(queue, grid), scale = space(queue, grid),
                           zero = space(queue, grid);
};

Measure run_grid(Queue& queue, const QuantSpec& spec) {
  const OnDevice d(queue, spec);
  const auto range = reference::group_range(d.w_host, spec.group_size);
  std::vector<double> scales, zeros;
  const auto scale = d.host(d.scale);
  for (std::size_t i = 0; i < scale.size(); ++i) {
    const auto raw = reference::raw_grid(spec, range.xmin[i], range.xmax[i], d.up_host[i], d.low_host[i]);
    scales.push_back(reference::grid_scale(raw.scale));
    zeros.push_back(reference::grid_zero(spec, raw.lo, scale[i]));
  }
  // A raw scale next to the middle of two binary16 numbers may round either way: one unit. Zero points are
  // compared on the device's scale, where the same may happen: one step, caught as such.
  const auto zero = d.host(d.zero);
  for (std::size_t i = 0; i < zero.size(); ++i) {
    if (std::fabs(zero[i] - zeros[i]) > 1) return {std::fabs(zero[i] - zeros[i]), 1};
  }
  return {difference(scale, scales), 2 * kF16Unit};
}

/// On the device's own grid nothing is left to rounding but the quotient next to the middle of two codes.
Measure run_forward(Queue& queue, const QuantSpec& spec) {
  const OnDevice d(queue, spec);
  const DeviceTensor what = space(queue, {kRows, kIn});
  ops::fake_quant_fwd(queue, spec, d.w, d.scale, d.zero, what);
  return {difference(queue, what, reference::fake_quant_fwd(spec, d.w_host, d.host(d.scale), d.host(d.zero))),
          2 * kF32Unit};
}

Measure run_codes(Queue& queue, const QuantSpec& spec) {
  const OnDevice d(queue, spec);
  const DeviceTensor codes = space(queue, {kRows, kIn}, DType::u8), scales = space(queue, d.grid, DType::f16),
                     zeros = space(queue, d.grid, DType::u8);
  ops::quantize_codes(queue, spec, d.w, d.scale, d.zero, codes, scales, zeros);
  std::vector<std::uint8_t> got(kRows * kIn);
  queue.read(codes, got.data());
  const auto want = reference::codes(spec, d.w_host, d.host(d.scale), d.host(d.zero));
  std::vector<float> rounded = d.host(d.scale);
  for (float& scale : rounded) scale = static_cast<float>(reference::rounded_to_half(scale));
  return {difference(std::vector<float>(got.begin(), got.end()), want) + exactly(d.host(scales), rounded), 0};
}

Measure run_backward(Queue& queue, const QuantSpec& spec) {
  const OnDevice d(queue, spec);
  std::vector<float> gradient = random_values(kRows * kIn, 4);
  const DeviceTensor d_what = put(queue, gradient, {kRows, kIn}), d_up = space(queue, d.grid),
                     d_low = space(queue, d.grid), d_w = space(queue, {kRows, kIn});
  ops::fake_quant_bwd(queue, spec, d.w, d.scale, d.zero, d.xmin, d.xmax, d.up, d.low, d_what, d_up, d_low,
                      d_w);
  const auto want = reference::fake_quant_bwd(spec, d.w_host, d.host(d.scale), d.host(d.zero), d.host(d.xmin),
                                              d.host(d.xmax), d.up_host, d.low_host, gradient);
  double largest = 0, magnitude = 0;
  for (std::size_t i = 0; i < want.magnitude.size(); ++i) {
    largest = std::max({largest, std::fabs(want.d_upbound[i]), std::fabs(want.d_lowbound[i])});
    magnitude = std::max(magnitude, want.magnitude[i]);
  }
  // A sum per group of terms that cancel: roundings count in units of the sum of magnitudes. The weights'
  // gradient is passed on or not.
  const double weights = exactly(d.host(d_w), std::vector<float>(want.d_w.begin(), want.d_w.end()));
  return {
      std::max(difference(queue, d_up, want.d_upbound), difference(queue, d_low, want.d_lowbound)) + weights,
      (spec.group_size + 32) * kF32Unit * magnitude / largest};
}

/// What the chosen factors cost beyond the best ones, over all groups; 4 times what rounding explains where
/// division is correct.
Measure run_mse_range(Queue& queue, const QuantSpec& spec) {
  const OnDevice d(queue, spec);
  const DeviceTensor up = space(queue, d.grid), low = space(queue, d.grid);
  ops::mse_range(queue, spec, d.w, d.xmin, d.xmax, up, low);
  const auto logits = d.host(up), xmin = d.host(d.xmin), xmax = d.host(d.xmax);
  double excess = 0, roundings = 0, least = 0;
  for (std::size_t group = 0; group < logits.size(); ++group) {
    const std::span<const float> weights(d.w_host);
    const auto all = reference::mse_range(spec, weights.subspan(group * spec.group_size, spec.group_size),
                                          xmin[group], xmax[group]);
    const auto logit_of = [](double f) { return std::log(std::min(f, 0.99) / (1 - std::min(f, 0.99))); };
    std::size_t chosen = 0;
    while (chosen < all.factors.size() && std::fabs(logits[group] - logit_of(all.factors[chosen])) > 1e-5)
      ++chosen;
    if (chosen == all.factors.size()) return {std::numeric_limits<double>::infinity(), 0};
    const auto best = std::min_element(all.errors.begin(), all.errors.end());
    excess += all.errors[chosen] - *best;
    roundings += all.roundings[chosen] + all.roundings[static_cast<std::size_t>(best - all.errors.begin())];
    least += *best;
  }
  return {excess / least + exactly(d.host(low), logits), 4 * roundings / least};
}

Measure run_damp(Queue& queue) {
  constexpr std::uint64_t n = 77;
  std::vector<float> moments = random_values(n * n, 1, 0, 4);
  const DeviceTensor d = put(queue, moments, {n, n});
  ops::damp(queue, d, 0.5f);
  std::vector<double> want = doubles(moments);
  double mean = 0;
  for (std::size_t i = 0; i < n; ++i) mean += want[i * (n + 1)] / n;
  for (std::size_t i = 0; i < n; ++i) want[i * (n + 1)] += 0.5 * mean;
  return {difference(queue, d, want), 8 * kF32Unit};
}

Measure run_scale_columns(Queue& queue) {
  constexpr std::uint64_t rows = 3, n = 301;
  std::vector<float> x = random_values(rows * n, 1), diagonal = random_values(n, 2);
  const DeviceTensor y = space(queue, {rows, n});
  ops::scale_columns(queue, put(queue, x, {rows, n}), put(queue, diagonal, {n}), y);
  std::vector<double> want = doubles(x);
  for (std::size_t i = 0; i < want.size(); ++i) want[i] *= diagonal[i % n];
  return {difference(queue, y, want), kF32Unit};
}

Measure run_diagonal(Queue& queue) {
  constexpr std::uint64_t n = 77;
  std::vector<float> moments = random_values(n * n, 1);
  const DeviceTensor d = space(queue, {n});
  ops::take_diagonal(queue, put(queue, moments, {n, n}), d);
  std::vector<double> want;
  for (std::size_t i = 0; i < n; ++i) want.push_back(moments[i * (n + 1)]);
  return {difference(queue, d, want), 0};
}

/// Four steps, of which one is skipped: its loss is not finite.
Measure run_adamw(Queue& queue) {
  constexpr std::size_t kCount = 1003;
  const AdamwOptions options{.learning_rate = 0.01f, .weight_decay = 0.1f};
  std::vector<float> p = random_values(kCount, 1), nothing(kCount, 0.0f);
  reference::AdamwState want{doubles(p), std::vector<double>(kCount, 0.0), std::vector<double>(kCount, 0.0)};
  const DeviceTensor dp = put(queue, p, {kCount}), m = put(queue, nothing, {kCount}),
                     v = put(queue, nothing, {kCount}), skipped(queue.device(), DType::u32, {1}, "self-test");
  queue.fill_zero(skipped);
  std::uint32_t taken = 0;
  for (std::uint32_t step = 1; step <= 4; ++step) {
    std::vector<float> g = random_values(kCount, 10 + step), loss = {step == 2 ? INFINITY : 0.5f};
    ops::adamw_step(queue, options, step, put(queue, loss, {1}), skipped, dp, put(queue, g, {kCount}), m, v);
    if (step != 2) reference::adamw_step(options, ++taken, g, want);
  }
  return {std::max(difference(queue, dp, want.p), difference(queue, v, want.v)),
          64 * kF32Unit};  // a dozen roundings a step
}

/// One value that is not finite, at every place of a tail, of the first or of the second tensor.
Measure run_guard(Queue& queue) {
  constexpr std::size_t kCount = 1003;
  double wrong = 0;
  for (const float bad : {INFINITY, -INFINITY, NAN, 3e38f})
    for (const std::size_t at : {std::size_t{0}, std::size_t{517}, kCount - 1})
      for (const bool second : {false, true}) {
        std::vector<float> x = random_values(kCount, 1), y = random_values(kCount, 2), loss = {0.5f};
        (second ? y : x)[at] = bad;
        const DeviceTensor guarded = put(queue, loss, {1});
        ops::guard_loss(queue, guarded, put(queue, x, {kCount}), put(queue, y, {kCount}));
        const float found = runtime::read_floats(queue, guarded)[0];
        if (std::isfinite(bad) ? found != 0.5f : !std::isnan(found)) wrong = 1;
      }
  return {wrong, 0};
}

}  // namespace

std::vector<Case> quant_cases() {
  std::vector<Case> out;
  for (const std::uint32_t bits : {2, 3, 4}) {
    for (const std::uint32_t group : {32, 64, 128, 256}) {
      for (const bool symmetric : {false, true}) {
        const QuantSpec spec{bits, group, symmetric, true};
        const std::string detail = "bits " + std::to_string(bits) + ", group " +
                                   (group == kIn ? "row" : std::to_string(group)) +
                                   (symmetric ? ", symmetric" : "");
        out.push_back({"quant_grid", detail, [=](Queue& queue) { return run_grid(queue, spec); }});
        out.push_back({"fake_quant_fwd", detail, [=](Queue& queue) { return run_forward(queue, spec); }});
        out.push_back({"fake_quant_bwd", detail, [=](Queue& queue) { return run_backward(queue, spec); }});
        out.push_back({"mse_range", detail, [=](Queue& queue) { return run_mse_range(queue, spec); }});
        out.push_back({"quantize_codes", detail, [=](Queue& queue) { return run_codes(queue, spec); }});
      }
    }
  }
  out.push_back({"damp", "77 x 77", run_damp});
  out.push_back({"scale_columns", "3 x 301", run_scale_columns});
  out.push_back({"take_diagonal", "77 x 77", run_diagonal});
  out.push_back({"adamw_step", "4 steps, one skipped", run_adamw});
  out.push_back({"guard_loss", "2 x 1003", run_guard});
  return out;
}

}  // namespace apiq::ops::self_test
