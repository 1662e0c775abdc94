#include "report/plot/axis.hpp"

#include <algorithm>
#include <cmath>

#include "report/plot/markup.hpp"

namespace apiq::plot {

namespace {

// Beyond these, differences and powers of ten leave the range of a double.
constexpr double kSmallest = 1e-290, kLargest = 1e290;

/// The smallest of 1, 2, 5 times a power of ten that is at least `value` > 0.
double nice_above(double value) {
  const double power = std::pow(10.0, std::floor(std::log10(value)));
  for (const double digit : {1.0, 2.0, 5.0})
    if (digit * power >= value * (1 - 1e-9)) return digit * power;
  return 10 * power;
}

double nice_below(double value) {
  const double power = std::pow(10.0, std::floor(std::log10(value) + 1e-9));
  for (const double digit : {5.0, 2.0})
    if (digit * power <= value * (1 + 1e-9)) return digit * power;
  return power;
}

double step_for(double span, int max_count, bool whole) {
  const double step = nice_above(span / std::max(1, max_count));
  return whole ? std::max(1.0, step) : step;
}

}  // namespace

void Range::add(double value) {
  if (!std::isfinite(value)) return;
  low = std::min(low, value);
  high = std::max(high, value);
}

std::vector<double> linear_ticks(double low, double high, int max_count, bool whole) {
  std::vector<double> out;
  if (!(high > low)) {
    if (high == low) out.push_back(low);
    return out;
  }
  const double step = step_for(high - low, max_count, whole), first = std::ceil(low / step - 1e-9),
               last = std::floor(high / step + 1e-9);
  // Multiples, not sums: a sum drifts, and "0.30000000000000004" is no label. Counted, since far from zero
  // first + 1 may equal first.
  for (int i = 0; i <= std::min(max_count + 1, static_cast<int>(last - first)); ++i) {
    const double multiple = first + i;
    out.push_back(multiple == 0 ? 0.0 : multiple * step);
  }
  return out;
}

std::vector<double> log_ticks(double low, double high, int max_count) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9)),
            last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  const auto collect = [&](std::initializer_list<double> digits, int every) {
    std::vector<double> out;
    for (int exponent = first; exponent <= last; ++exponent) {
      if (exponent % every != 0) continue;
      for (const double digit : digits) {
        const double tick = digit * std::pow(10.0, exponent);
        if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) out.push_back(tick);
      }
    }
    return out;
  };
  const auto limit = static_cast<std::size_t>(std::max(1, max_count)) + 1;
  std::vector<double> out = collect({1, 2, 5}, 1);
  for (int every = 1; out.size() > limit; ++every) out = collect({1}, every);
  return out;
}

Axis Axis::linear(Range range, double first_pixel, double last_pixel, int max_ticks, bool from_zero) {
  Axis out;
  out.first_ = first_pixel;
  out.last_ = last_pixel;
  if (range.empty()) range = {0, 1};
  range = {std::max(range.low, -kLargest), std::min(range.high, kLargest)};
  if (from_zero) range.low = std::min(range.low, 0.0);
  const double size = std::max(std::fabs(range.low), std::fabs(range.high));
  if (range.high - range.low <= std::max(1e-9 * size, kSmallest)) {  // one value, or as good as one
    const double room = size <= kSmallest ? 1 : size / 2;
    range = {from_zero ? range.low : range.low - room, range.high + room};
  }
  const double step = step_for(range.high - range.low, max_ticks, false);
  out.low_ = std::floor(range.low / step + 1e-9) * step;
  out.high_ = std::ceil(range.high / step - 1e-9) * step;
  out.ticks_ = linear_ticks(out.low_, out.high_, max_ticks + 2);
  const int decimals = -static_cast<int>(std::floor(std::log10(step) + 1e-9));
  if (decimals <= 4) out.decimals_ = std::max(0, decimals);
  return out;
}

Axis Axis::exact(Range range, double first_pixel, double last_pixel, int max_ticks) {
  Axis out;
  out.first_ = first_pixel;
  out.last_ = last_pixel;
  if (range.empty()) range = {0, 1};
  out.low_ = range.low;
  out.high_ = range.high > range.low ? range.high : range.low + 1;
  out.ticks_ = linear_ticks(range.low, range.high, max_ticks, /*whole=*/true);
  return out;
}

Axis Axis::logarithmic(Range range, double first_pixel, double last_pixel, int max_ticks) {
  Axis out;
  out.logarithmic_ = true;
  out.first_ = first_pixel;
  out.last_ = last_pixel;
  out.low_ = nice_below(std::clamp(range.low, kSmallest, kLargest));
  out.high_ = nice_above(std::clamp(range.high, kSmallest, kLargest));
  if (out.low_ == out.high_) out.high_ = nice_above(out.high_ * 1.01);
  out.ticks_ = log_ticks(out.low_, out.high_, max_ticks);
  return out;
}

double Axis::at(double value) const {
  const double share =
      logarithmic_ ? std::log(value / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
  return first_ + share * (last_ - first_);
}

std::string Axis::label(double tick) const {
  return decimals_ > 0 ? fixed(tick, decimals_) : number(tick, 6);
}

}  // namespace apiq::plot
