// Group quantization in plain fp64 loops, for tests: the formulas of ops/fake_quant.hpp. Matrices are
// row-major with groups of consecutive elements, so every tensor is simply a list of groups.
#pragma once
#include <span>
#include <vector>

#include "ops/fake_quant.hpp"

namespace apiq::ops::reference {

struct GroupRange {
  std::vector<double> xmin, xmax;
};
GroupRange group_range(std::span<const float> w, std::uint32_t group_size);

/// Nearest binary16 of a value in its normal range, ties to even.
double rounded_to_half(double value);

/// hi, lo and the scale before clamping and rounding, of one group.
struct RawGrid {
  double hi = 0, lo = 0, scale = 0;
};
RawGrid raw_grid(const QuantSpec& spec, double xmin, double xmax, double upbound, double lowbound);

/// Of one group: the sum of (what - w)^2 on the grid of each shrunk range, and what f32 arithmetic may add to
/// or take from it.
struct ShrinkErrors {
  std::vector<double> factors, errors, roundings;  // factors fall
};
ShrinkErrors mse_range(const QuantSpec& spec, std::span<const float> group, double xmin, double xmax);

/// Scale from the raw one; zero point from lo and that scale.
double grid_scale(double raw_scale);
double grid_zero(const QuantSpec& spec, double lo, double scale);

/// Codes on a given grid. The quotient is rounded to f32 first: the definition divides in f32.
std::vector<double> codes(const QuantSpec& spec, std::span<const float> w, std::span<const float> scale,
                          std::span<const float> zero);

std::vector<double> fake_quant_fwd(const QuantSpec& spec, std::span<const float> w,
                                   std::span<const float> scale, std::span<const float> zero);

struct FakeQuantGradients {
  std::vector<double> d_upbound, d_lowbound;
  std::vector<double> d_w;  // of every weight
  std::vector<double>
      magnitude;  // sum of |d_what * d what / d scale| per group, the unit of rounding errors in both
};
FakeQuantGradients fake_quant_bwd(const QuantSpec& spec, std::span<const float> w,
                                  std::span<const float> scale, std::span<const float> zero,
                                  std::span<const float> xmin, std::span<const float> xmax,
                                  std::span<const float> upbound, std::span<const float> lowbound,
                                  std::span<const float> d_what);

}  // namespace apiq::ops::reference
