#include "tensor/packed_format.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "apiq/error.hpp"
#include "util/half.hpp"

namespace apiq {
namespace {

using Chunk = std::array<std::uint8_t, kChunk>;  // codes of 32 consecutive input features of one row

// The words of one row's chunk lie kRowBlock apart: word w of row r at first[w * kRowBlock].
void encode_chunk(const Chunk& codes, std::uint32_t bits, std::uint32_t* first) {
  if (bits == 3) {
    for (std::uint32_t i = 0; i < kChunk; ++i) {
      first[(i / 16) * kRowBlock] |= (codes[i] & 3u) << (2 * (i % 16));
      first[2 * kRowBlock] |= (static_cast<std::uint32_t>(codes[i]) >> 2) << i;
    }
    return;
  }
  const std::uint32_t per_word = 32 / bits;
  for (std::uint32_t i = 0; i < kChunk; ++i)
    first[(i / per_word) * kRowBlock] |= static_cast<std::uint32_t>(codes[i]) << (bits * (i % per_word));
}

Chunk decode_chunk(const std::uint32_t* first, std::uint32_t bits) {
  Chunk codes;
  if (bits == 3) {
    for (std::uint32_t i = 0; i < kChunk; ++i) {
      const std::uint32_t low = first[(i / 16) * kRowBlock] >> (2 * (i % 16)) & 3u;
      const std::uint32_t high = first[2 * kRowBlock] >> i & 1u;
      codes[i] = static_cast<std::uint8_t>(low | high << 2);
    }
    return codes;
  }
  const std::uint32_t per_word = 32 / bits;
  const std::uint32_t mask = (1u << bits) - 1;
  for (std::uint32_t i = 0; i < kChunk; ++i)
    codes[i] = static_cast<std::uint8_t>(first[(i / per_word) * kRowBlock] >> (bits * (i % per_word)) & mask);
  return codes;
}

std::uint64_t chunk_start(const PackedLayout& l, std::uint64_t row, std::uint64_t chunk) {
  return (row / kRowBlock * l.chunks() + chunk) * l.bits * kRowBlock + row % kRowBlock;
}

std::uint64_t scale_index(const PackedLayout& l, std::uint64_t row, std::uint64_t group) {
  return (row / kRowBlock * l.groups() + group) * kRowBlock + row % kRowBlock;
}

void check_count(const char* what, std::uint64_t found, std::uint64_t expected) {
  if (found != expected)
    throw ShapeError("[packed] " + std::string(what) + ": expected " + std::to_string(expected) +
                     " elements, got " + std::to_string(found));
}

void check_range(const char* what, std::span<const std::uint8_t> values, std::uint32_t bits) {
  const auto largest = std::max_element(values.begin(), values.end());
  if (largest != values.end() && *largest >> bits)
    throw InvalidArgument("[packed] " + std::string(what) + " " + std::to_string(*largest) +
                          " does not fit in " + std::to_string(bits) + " bits");
}

// A PackedMatrix is a plain struct that anybody may fill; reading past its vectors must not depend on who
// did.
void check_sizes(const PackedMatrix& m) {
  check_layout(m.layout, "weight");
  check_count("qweight", m.qweight.size(), m.layout.qweight_words());
  check_count("scales", m.scales.size(), m.layout.scale_count());
  check_count("qzeros", m.qzeros.size(), m.layout.qzeros_words());
}

// Calls use(row, first feature, number of features in range, codes) for every chunk of every real row.
template <class Use>
void for_each_chunk(const PackedMatrix& m, Use use) {
  const PackedLayout& l = m.layout;
  for (std::uint64_t row = 0; row < l.out_features; ++row)
    for (std::uint64_t c = 0; c < l.chunks(); ++c)
      use(row, c * kChunk, std::min<std::uint64_t>(kChunk, l.in_features - c * kChunk),
          decode_chunk(&m.qweight[chunk_start(l, row, c)], l.bits));
}

}  // namespace

void check_layout(const PackedLayout& layout, const char* name) {
  const std::string where = "[packed] " + std::string(name) + ": ";
  if (layout.bits != 2 && layout.bits != 3 && layout.bits != 4 && layout.bits != 8)
    throw InvalidArgument(where + "bits " + std::to_string(layout.bits) + " is not one of 2, 3, 4, 8");
  if (layout.out_features == 0 || layout.in_features == 0)
    throw InvalidArgument(where + "out_features and in_features must be at least 1");
  if (layout.group_size != 0 && layout.in_features % layout.group_size == 0) return;
  std::string sizes;
  for (auto size : possible_group_sizes(layout.in_features))
    sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  throw InvalidArgument(where + "group_size " + std::to_string(layout.group_size) +
                        " does not divide in_features " + std::to_string(layout.in_features) +
                        "; sizes that do: " + sizes);
}

std::vector<std::uint32_t> possible_group_sizes(std::uint32_t in_features) {
  std::vector<std::uint32_t> sizes;
  for (std::uint32_t d = 1; static_cast<std::uint64_t>(d) * d <= in_features; ++d) {
    if (in_features % d != 0) continue;
    sizes.push_back(d);
    if (d != in_features / d) sizes.push_back(in_features / d);
  }
  std::sort(sizes.begin(), sizes.end());
  // Below 32 the scales and zero points outweigh the codes they describe.
  if (in_features >= 32) std::erase_if(sizes, [](std::uint32_t d) { return d < 32; });
  return sizes;
}

PackedMatrix pack(const PackedLayout& l, std::span<const std::uint8_t> codes,
                  std::span<const std::uint16_t> scales, std::span<const std::uint8_t> zeros) {
  check_layout(l, "weight");
  check_count("codes", codes.size(), static_cast<std::uint64_t>(l.out_features) * l.in_features);
  check_count("scales", scales.size(), l.out_features * l.groups());
  check_count("zeros", zeros.size(), l.out_features * l.groups());
  check_range("code", codes, l.bits);
  check_range("zero point", zeros, l.bits);

  PackedMatrix m;
  m.layout = l;
  m.qweight.assign(l.qweight_words(), 0);
  m.scales.assign(l.scale_count(), 0);
  m.qzeros.assign(l.qzeros_words(), 0);
  for (std::uint64_t row = 0; row < l.out_features; ++row) {
    for (std::uint64_t c = 0; c < l.chunks(); ++c) {
      Chunk chunk{};  // features past in_features stay code 0
      const std::uint64_t first = c * kChunk;
      std::copy_n(&codes[row * l.in_features + first], std::min<std::uint64_t>(kChunk, l.in_features - first),
                  chunk.begin());
      encode_chunk(chunk, l.bits, &m.qweight[chunk_start(l, row, c)]);
    }
    for (std::uint64_t g = 0; g < l.groups(); ++g) {
      m.scales[scale_index(l, row, g)] = scales[row * l.groups() + g];
      std::uint32_t* planes = &m.qzeros[(row / kRowBlock * l.groups() + g) * l.bits];
      for (std::uint32_t p = 0; p < l.bits; ++p)
        planes[p] |= (static_cast<std::uint32_t>(zeros[row * l.groups() + g]) >> p & 1u) << (row % kRowBlock);
    }
  }
  return m;
}

std::vector<std::uint8_t> unpack_codes(const PackedMatrix& m) {
  check_sizes(m);
  std::vector<std::uint8_t> codes(static_cast<std::uint64_t>(m.layout.out_features) * m.layout.in_features);
  for_each_chunk(m, [&](std::uint64_t row, std::uint64_t first, std::uint64_t count, const Chunk& chunk) {
    std::copy_n(chunk.begin(), count, &codes[row * m.layout.in_features + first]);
  });
  return codes;
}

std::vector<float> unpack_scales(const PackedMatrix& m) {
  check_sizes(m);
  const std::uint64_t groups = m.layout.groups();
  std::vector<float> scales(m.layout.out_features * groups);
  for (std::uint64_t i = 0; i < scales.size(); ++i)
    scales[i] = half_to_float(m.scales[scale_index(m.layout, i / groups, i % groups)]);
  return scales;
}

std::vector<std::uint8_t> unpack_zeros(const PackedMatrix& m) {
  check_sizes(m);
  const PackedLayout& l = m.layout;
  std::vector<std::uint8_t> zeros(l.out_features * l.groups());
  for (std::uint64_t i = 0; i < zeros.size(); ++i) {
    const std::uint64_t row = i / l.groups(), group = i % l.groups();
    const std::uint32_t* planes = &m.qzeros[(row / kRowBlock * l.groups() + group) * l.bits];
    std::uint32_t zero = 0;
    for (std::uint32_t p = 0; p < l.bits; ++p) zero |= (planes[p] >> (row % kRowBlock) & 1u) << p;
    zeros[i] = static_cast<std::uint8_t>(zero);
  }
  return zeros;
}

std::vector<float> dequantize(const PackedMatrix& m) {
  const std::vector<float> scales = unpack_scales(m);
  const std::vector<std::uint8_t> zeros = unpack_zeros(m);
  const PackedLayout& l = m.layout;
  std::vector<float> w(static_cast<std::uint64_t>(l.out_features) * l.in_features);
  for_each_chunk(m, [&](std::uint64_t row, std::uint64_t first, std::uint64_t count, const Chunk& chunk) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t g = row * l.groups() + (first + i) / l.group_size;
      // Exact: the scale has 11 significant bits and code - zero at most 8, together fewer than f32's 24.
      w[row * l.in_features + first + i] =
          scales[g] * static_cast<float>(static_cast<int>(chunk[i]) - static_cast<int>(zeros[g]));
    }
  });
  return w;
}

}  // namespace apiq
