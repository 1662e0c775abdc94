// A codec that only tests have: two-bit codes into a codebook of four values that is stored with the matrix.
// Shows that a row is all that files, buffers and sizes need.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "apiq/error.hpp"
#include "codec/codes.hpp"

namespace apiq::testing {

namespace codebook {

inline constexpr std::array<std::uint32_t, 1> kBits{2};

inline std::vector<Plane> planes(const PackedLayout& layout) {
  return {code_plane(layout), {"codebook", DType::f32, {4}}};
}

inline std::vector<std::pair<std::string_view, int>> macros(const WeightFormat& format) {
  return {{"BITS", static_cast<int>(format.bits)}, {"LEVELS", 4}};
}

/// Four values from the least to the largest, evenly.
inline PackedMatrix encode(const PackedLayout& layout, std::span<const float> weight) {
  PackedMatrix out(layout);
  const auto [least, largest] = std::minmax_element(weight.begin(), weight.end());
  const auto book = out.elements<float>(1);
  for (std::size_t i = 0; i < 4; ++i) book[i] = *least + (*largest - *least) * static_cast<float>(i) / 3.0f;
  std::vector<std::uint8_t> codes;
  for (const float value : weight)
    codes.push_back(static_cast<std::uint8_t>(
        std::min_element(book.begin(), book.end(),
                         [&](float a, float b) { return std::fabs(a - value) < std::fabs(b - value); }) -
        book.begin()));
  pack_codes(layout, codes, out.elements<std::uint32_t>(0));
  return out;
}

inline std::vector<float> decode(const PackedMatrix& matrix) {
  const auto book = matrix.elements<float>(1);
  std::vector<float> out;
  for (const std::uint8_t code : unpack_codes(matrix.layout, matrix.elements<std::uint32_t>(0)))
    out.push_back(book[code]);
  return out;
}

inline void check_values(const PackedMatrix& matrix, const std::string& where) {
  for (const float value : matrix.elements<float>(1))
    if (!std::isfinite(value)) throw FormatError(where + "/codebook: not a finite number");
}

}  // namespace codebook

inline constexpr Codec kCodebook{.name = "codebook of tests",
                                 .layout = "codebook-4",
                                 .bits = codebook::kBits,
                                 .planes = codebook::planes,
                                 .macros = codebook::macros,
                                 .encode = codebook::encode,
                                 .decode = codebook::decode,
                                 .check_values = codebook::check_values};

}  // namespace apiq::testing
