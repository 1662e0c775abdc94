// Axes with ticks at 1, 2 and 5 times powers of ten, linear or logarithmic.
#pragma once
#include <limits>
#include <string>
#include <vector>

namespace apiq::plot {

/// Of the finite values added to it.
struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value);
  bool empty() const { return low > high; }
  /// Whether values spread over more than a factor, all of them positive: then a logarithmic axis shows more.
  bool spans(double factor) const { return low > 0 && high > factor * low; }
};

/// Multiples of a step of 1, 2 or 5 times a power of ten inside [low, high], at most max_count + 1 of them.
/// `whole`: no step below 1.
std::vector<double> linear_ticks(double low, double high, int max_count, bool whole = false);

/// 1, 2, 5 times powers of ten, only powers, or every n-th power, whichever is the densest with at most
/// max_count + 1 inside [low, high]; low > 0.
std::vector<double> log_ticks(double low, double high, int max_count);

/// Maps values to pixels. Widened to ticks at both ends unless said otherwise.
class Axis {
 public:
  /// from_zero: low becomes 0 where it is positive. An empty range becomes [0, 1]; a single value gets room
  /// on both sides.
  static Axis linear(Range range, double first_pixel, double last_pixel, int max_ticks,
                     bool from_zero = false);
  /// Of whole numbers (epochs, blocks), from the first to the last: not widened.
  static Axis exact(Range range, double first_pixel, double last_pixel, int max_ticks);
  /// range.low > 0.
  static Axis logarithmic(Range range, double first_pixel, double last_pixel, int max_ticks);

  double at(double value) const;
  const std::vector<double>& ticks() const { return ticks_; }
  std::string label(double tick) const;
  bool is_logarithmic() const { return logarithmic_; }

 private:
  double low_ = 0, high_ = 1, first_ = 0, last_ = 1;
  bool logarithmic_ = false;
  int decimals_ = 0;  // of every label, so that they line up; 0: as many as each needs
  std::vector<double> ticks_;
};

}  // namespace apiq::plot
