#include "codec/affine.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "apiq/error.hpp"
#include "apiq/legal_bits.hpp"
#include "codec/codes.hpp"
#include "util/half.hpp"

namespace apiq {
namespace {

std::vector<Plane> planes(const PackedLayout& l) {
  return {code_plane(l),
          {"scales", DType::f16, {l.row_blocks(), l.groups(), kRowBlock}},
          {"qzeros", DType::u32, {l.row_blocks(), l.groups(), l.bits}}};
}

std::vector<std::pair<std::string_view, int>> macros(const WeightFormat& format) {
  return {{"BITS", static_cast<int>(format.bits)}};
}

std::uint64_t scale_index(const PackedLayout& l, std::uint64_t row, std::uint64_t group) {
  return (row / kRowBlock * l.groups() + group) * kRowBlock + row % kRowBlock;
}

/// The nearest grid through the least and the largest value of each group and zero.
PackedMatrix encode(const PackedLayout& l, std::span<const float> weight) {
  check_layout(l, "weight");
  check_count("weight", weight.size(), std::uint64_t{l.out_features} * l.in_features);
  const auto top = static_cast<float>((1u << l.bits) - 1);
  std::vector<std::uint8_t> codes(weight.size()), zeros(weight.size() / l.group_size);
  std::vector<std::uint16_t> scales(zeros.size());
  for (std::size_t g = 0; g < zeros.size(); ++g) {
    const auto group = weight.subspan(g * l.group_size, l.group_size);
    const auto [least, largest] = std::minmax_element(group.begin(), group.end());
    const float low = std::min(*least, 0.0f), range = std::max(*largest, 0.0f) - low;
    scales[g] = float_to_half(range / top);
    const float scale = half_to_float(scales[g]);
    if (scale == 0) continue;  // codes and zero point 0: the group decodes to zeros
    zeros[g] = static_cast<std::uint8_t>(std::clamp(std::nearbyint(-low / scale), 0.0f, top));
    for (std::size_t i = 0; i < group.size(); ++i)
      codes[g * l.group_size + i] = static_cast<std::uint8_t>(
          std::clamp(std::nearbyint(group[i] / scale) + static_cast<float>(zeros[g]), 0.0f, top));
  }
  return pack(l, codes, scales, zeros);
}

void check_values(const PackedMatrix& m, const std::string& where) {
  constexpr std::uint16_t kExponent = 0x7c00;  // all ones: infinity or NaN
  const auto halves = affine::scales(m);
  const auto bad = std::find_if(halves.begin(), halves.end(),
                                [](std::uint16_t h) { return (h & kExponent) == kExponent; });
  if (bad != halves.end())
    throw FormatError(where + "/scales: element " + std::to_string(bad - halves.begin()) +
                      " is not a finite number");
  // Packing what was unpacked fills the padding with zeros, so any difference lies there. Finite halves
  // survive f32 unchanged.
  std::vector<std::uint16_t> plain;
  for (float scale : unpack_scales(m)) plain.push_back(float_to_half(scale));
  const PackedMatrix clean = pack(m.layout, unpack_codes(m), plain, unpack_zeros(m));
  const char* padding[] = {"codes past the matrix are", "scales past out_features are",
                           "zero points past out_features are"};
  const std::vector<Plane> names = planes(m.layout);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (clean.planes[i] != m.planes[i])
      throw FormatError(where + "/" + std::string(names[i].name) + ": " + padding[i] + " not zero");
}

}  // namespace

constinit const Codec kAffine{.name = "affine",
                              .layout = "interleaved-32",
                              .bits = kLegalBits,
                              .planes = planes,
                              .macros = macros,
                              .encode = encode,
                              .decode = dequantize,
                              .check_values = check_values};

PackedMatrix pack(const PackedLayout& l, std::span<const std::uint8_t> codes,
                  std::span<const std::uint16_t> plain_scales, std::span<const std::uint8_t> zeros) {
  PackedMatrix m(l);
  check_count("scales", plain_scales.size(), l.out_features * l.groups());
  check_count("zeros", zeros.size(), l.out_features * l.groups());
  check_range("zero point", zeros, l.bits);
  pack_codes(l, codes, m.elements<std::uint32_t>(0));
  const auto packed_scales = m.elements<std::uint16_t>(1);
  const auto packed_zeros = m.elements<std::uint32_t>(2);
  for (std::uint64_t i = 0; i < zeros.size(); ++i) {
    const std::uint64_t row = i / l.groups(), group = i % l.groups();
    packed_scales[scale_index(l, row, group)] = plain_scales[i];
    for (std::uint32_t p = 0; p < l.bits; ++p)
      packed_zeros[(row / kRowBlock * l.groups() + group) * l.bits + p] |=
          (static_cast<std::uint32_t>(zeros[i]) >> p & 1u) << (row % kRowBlock);
  }
  return m;
}

namespace affine {
std::span<const std::uint32_t> qweight(const PackedMatrix& m) { return m.elements<std::uint32_t>(0); }
std::span<const std::uint16_t> scales(const PackedMatrix& m) { return m.elements<std::uint16_t>(1); }
std::span<const std::uint32_t> qzeros(const PackedMatrix& m) { return m.elements<std::uint32_t>(2); }
}  // namespace affine

std::vector<std::uint8_t> unpack_codes(const PackedMatrix& m) {
  check_planes(m, "weight");
  return unpack_codes(m.layout, affine::qweight(m));
}

std::vector<float> unpack_scales(const PackedMatrix& m) {
  check_planes(m, "weight");
  const std::uint64_t groups = m.layout.groups();
  const auto stored = affine::scales(m);
  std::vector<float> out(m.layout.out_features * groups);
  for (std::uint64_t i = 0; i < out.size(); ++i)
    out[i] = half_to_float(stored[scale_index(m.layout, i / groups, i % groups)]);
  return out;
}

std::vector<std::uint8_t> unpack_zeros(const PackedMatrix& m) {
  check_planes(m, "weight");
  const PackedLayout& l = m.layout;
  const auto words = affine::qzeros(m);
  std::vector<std::uint8_t> zeros(l.out_features * l.groups());
  for (std::uint64_t i = 0; i < zeros.size(); ++i) {
    const std::uint64_t row = i / l.groups(), group = i % l.groups();
    const auto bits = words.subspan((row / kRowBlock * l.groups() + group) * l.bits, l.bits);
    std::uint32_t zero = 0;
    for (std::uint32_t p = 0; p < l.bits; ++p) zero |= (bits[p] >> (row % kRowBlock) & 1u) << p;
    zeros[i] = static_cast<std::uint8_t>(zero);
  }
  return zeros;
}

std::vector<float> dequantize(const PackedMatrix& m) {
  const std::vector<std::uint8_t> codes = unpack_codes(m), zeros = unpack_zeros(m);
  const std::vector<float> plain_scales = unpack_scales(m);
  std::vector<float> w(codes.size());
  // Groups divide rows, so they follow each other in row-major order as well. Exact: the scale has 11
  // significant bits and code - zero at most 8, together fewer than f32's 24.
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::size_t g = i / m.layout.group_size;
    w[i] = plain_scales[g] * static_cast<float>(int{codes[i]} - int{zeros[g]});
  }
  return w;
}

}  // namespace apiq
