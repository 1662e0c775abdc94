#include "ops/reference/fake_quant.hpp"

#include <algorithm>
#include <cmath>

namespace apiq::ops::reference {

namespace {

constexpr double kSmallestScale = 0x1p-14, kLargestScale = 65504.0;

double qmax_of(const QuantSpec& spec) { return (1u << spec.bits) - 1; }
double half_range_of(const QuantSpec& spec) { return (1u << (spec.bits - 1)) - 1; }
double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double sigmoid_slope(double x) { return sigmoid(x) * sigmoid(-x); }
double quotient(float w, float scale) { return static_cast<float>(static_cast<double>(w) / scale); }

bool inside_grid(double u, double zero, double qmax) {
  const double code = std::nearbyint(u) + zero;
  return code >= 0 && code <= qmax;
}

double scale_slope(double u, double zero, double qmax) {
  const double code = std::nearbyint(u) + zero;
  if (code < 0) return -zero;
  if (code > qmax) return qmax - zero;
  return std::nearbyint(u) - u;
}

}  // namespace

GroupRange group_range(std::span<const float> w, std::uint32_t group_size) {
  GroupRange range;
  for (std::size_t first = 0; first < w.size(); first += group_size) {
    double low = 0, high = 0;
    for (const float x : w.subspan(first, group_size)) {
      low = std::min(low, static_cast<double>(x));
      high = std::max(high, static_cast<double>(x));
    }
    range.xmin.push_back(low);
    range.xmax.push_back(high);
  }
  return range;
}

double rounded_to_half(double value) {
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);  // in [0.5, 1): 11 bits are kept
  return std::ldexp(std::nearbyint(std::ldexp(mantissa, 11)), exponent - 11);
}

RawGrid raw_grid(const QuantSpec& spec, double xmin, double xmax, double upbound, double lowbound) {
  RawGrid grid;
  grid.hi = xmax * (spec.clip ? sigmoid(upbound) : 1.0);
  grid.lo = xmin * (spec.clip ? sigmoid(lowbound) : 1.0);
  grid.scale = spec.symmetric ? std::max(std::abs(grid.hi), std::abs(grid.lo)) / half_range_of(spec)
                              : (grid.hi - grid.lo) / qmax_of(spec);
  return grid;
}

double grid_scale(double raw_scale) { return std::clamp(raw_scale, kSmallestScale, kLargestScale); }

double grid_zero(const QuantSpec& spec, double lo, double scale) {
  return spec.symmetric ? half_range_of(spec) : std::clamp(std::nearbyint(-lo / scale), 0.0, qmax_of(spec));
}

ShrinkErrors mse_range(const QuantSpec& spec, std::span<const float> group, double xmin, double xmax) {
  constexpr double unit = 0x1p-24;
  QuantSpec plain = spec;
  plain.clip = false;
  plain.group_size = static_cast<std::uint32_t>(group.size());
  ShrinkErrors out;
  for (int twentieths = 20; twentieths >= 8; --twentieths) {
    const double f = twentieths / 20.0;
    const RawGrid raw = raw_grid(plain, f * xmin, f * xmax, 0, 0);
    const float scale = static_cast<float>(grid_scale(raw.scale)),
                zero = static_cast<float>(grid_zero(plain, raw.lo, grid_scale(raw.scale)));
    const auto what = fake_quant_fwd(plain, group, {&scale, 1}, {&zero, 1});
    double error = 0, slope = 0;
    for (std::size_t i = 0; i < group.size(); ++i) {
      const double d = what[i] - group[i];
      error += d * d;
      slope += 2 * std::abs(d) * std::abs(what[i]);
    }
    out.factors.push_back(f);
    out.errors.push_back(error);
    // The scale is good to 5 roundings, its product to one more; then the difference, its square and a chain
    // of additions.
    out.roundings.push_back(6 * unit * slope + (static_cast<double>(group.size()) + 3) * unit * error);
  }
  return out;
}

std::vector<double> codes(const QuantSpec& spec, std::span<const float> w, std::span<const float> scale,
                          std::span<const float> zero) {
  std::vector<double> out;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::size_t group = i / spec.group_size;
    out.push_back(std::clamp(std::nearbyint(quotient(w[i], scale[group])) + zero[group], 0.0, qmax_of(spec)));
  }
  return out;
}

std::vector<double> fake_quant_fwd(const QuantSpec& spec, std::span<const float> w,
                                   std::span<const float> scale, std::span<const float> zero) {
  std::vector<double> out = codes(spec, w, scale, zero);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = scale[i / spec.group_size] * (out[i] - zero[i / spec.group_size]);
  return out;
}

FakeQuantGradients fake_quant_bwd(const QuantSpec& spec, std::span<const float> w,
                                  std::span<const float> scale, std::span<const float> zero,
                                  std::span<const float> xmin, std::span<const float> xmax,
                                  std::span<const float> upbound, std::span<const float> lowbound,
                                  std::span<const float> d_what) {
  FakeQuantGradients out;
  for (std::size_t group = 0; group < scale.size(); ++group) {
    double d_scale = 0, magnitude = 0;
    for (std::size_t i = group * spec.group_size; i < (group + 1) * spec.group_size; ++i) {
      const double u = quotient(w[i], scale[group]),
                   term = d_what[i] * scale_slope(u, zero[group], qmax_of(spec));
      out.d_w.push_back(inside_grid(u, zero[group], qmax_of(spec)) ? d_what[i] : 0.0);
      d_scale += term;
      magnitude += std::abs(term);
    }
    const RawGrid raw = raw_grid(spec, xmin[group], xmax[group], upbound[group], lowbound[group]);
    if (raw.scale < kSmallestScale || raw.scale > kLargestScale || !spec.clip) d_scale = 0;
    double up = sigmoid_slope(upbound[group]) * xmax[group],
           low = -sigmoid_slope(lowbound[group]) * xmin[group];
    if (spec.symmetric) {
      // The larger of |hi|, |lo| owns the scale; a tie splits it.
      const double share = raw.hi > -raw.lo ? 1.0 : raw.hi == -raw.lo ? 0.5 : 0.0;
      up *= share / half_range_of(spec);
      low *= (1.0 - share) / half_range_of(spec);
    } else {
      up /= qmax_of(spec);
      low /= qmax_of(spec);
    }
    out.d_upbound.push_back(d_scale * up);
    out.d_lowbound.push_back(d_scale * low);
    out.magnitude.push_back(magnitude * std::max(std::abs(up), std::abs(low)));
  }
  return out;
}

}  // namespace apiq::ops::reference
