// The packed layout against words worked out by hand, against a bit-by-bit reader written from
// docs/packed-format.md alone, and as a round trip over ragged shapes.
#include "codec/affine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <tuple>

#include "apiq/error.hpp"

namespace apiq {
namespace {

struct Source {
  std::vector<std::uint8_t> codes;
  std::vector<std::uint16_t> scales;
  std::vector<std::uint8_t> zeros;
};

Source random_source(const PackedLayout& l, std::uint32_t seed) {
  std::mt19937 random(seed);
  Source s;
  s.codes.resize(std::size_t{l.out_features} * l.in_features);
  s.scales.resize(l.out_features * l.groups());
  s.zeros.resize(s.scales.size());
  for (auto& c : s.codes) c = static_cast<std::uint8_t>(random() & ((1u << l.bits) - 1));
  for (auto& z : s.zeros) z = static_cast<std::uint8_t>(random() & ((1u << l.bits) - 1));
  // Every finite binary16, both signs, subnormals included: exponent field 0..30.
  for (auto& h : s.scales) h = static_cast<std::uint16_t>((random() & 0x83ffu) | random() % 31 << 10);
  return s;
}

// binary16 as IEEE 754 defines it, without the library's converter.
double half_value(std::uint16_t h) {
  const int exponent = h >> 10 & 31;
  const double magnitude =
      exponent == 0 ? std::ldexp(h & 1023, -24) : std::ldexp(1024 + (h & 1023), exponent - 25);
  return h & 0x8000 ? -magnitude : magnitude;
}

// One bit of the qweight array: `index` counts words.
unsigned bit_of(std::span<const std::uint32_t> words, std::size_t index, unsigned bit) {
  EXPECT_LT(index, words.size());
  return words[index] >> bit & 1u;
}

// The document read literally, one bit at a time.
unsigned code_from_document(const PackedMatrix& m, std::size_t row, std::size_t feature) {
  const PackedLayout& l = m.layout;
  const std::size_t blocks_of_chunks = (l.in_features + 31) / 32;
  const std::size_t base = ((row / 32) * blocks_of_chunks + feature / 32) * l.bits * 32 + row % 32;
  const unsigned i = feature % 32;
  unsigned code = 0;
  if (l.bits == 3) {
    code |= bit_of(affine::qweight(m), base + (i / 16) * 32, 2 * (i % 16));
    code |= bit_of(affine::qweight(m), base + (i / 16) * 32, 2 * (i % 16) + 1) << 1;
    code |= bit_of(affine::qweight(m), base + 64, i) << 2;
    return code;
  }
  const unsigned stream_bit = i * l.bits;  // the chunk as one little-endian stream of 32 * bits bits
  for (unsigned b = 0; b < l.bits; ++b)
    code |= bit_of(affine::qweight(m), base + ((stream_bit + b) / 32) * 32, (stream_bit + b) % 32) << b;
  return code;
}

unsigned zero_from_document(const PackedMatrix& m, std::size_t row, std::size_t group) {
  const std::size_t groups = m.layout.in_features / m.layout.group_size;
  unsigned zero = 0;
  for (unsigned p = 0; p < m.layout.bits; ++p)
    zero |= bit_of(affine::qzeros(m), ((row / 32) * groups + group) * m.layout.bits + p, row % 32) << p;
  return zero;
}

using Case = std::tuple<std::uint32_t, std::uint32_t,
                        std::pair<std::uint32_t, std::uint32_t>>;  // bits, out, {in, group}

class PackedFormat : public testing::TestWithParam<Case> {
 protected:
  PackedLayout layout() const {
    const auto& [bits, out, in_group] = GetParam();
    return {.out_features = out, .in_features = in_group.first, .bits = bits, .group_size = in_group.second};
  }
};

TEST_P(PackedFormat, RoundTripKeepsEveryValue) {
  const PackedLayout l = layout();
  const Source s = random_source(l, 1);
  const PackedMatrix m = pack(l, s.codes, s.scales, s.zeros);
  EXPECT_EQ(unpack_codes(m), s.codes);
  EXPECT_EQ(unpack_zeros(m), s.zeros);
  const std::vector<float> scales = unpack_scales(m);
  for (std::size_t i = 0; i < scales.size(); ++i) ASSERT_EQ(scales[i], half_value(s.scales[i])) << i;
}

TEST_P(PackedFormat, ReadsBitByBitAsDocumented) {
  const PackedLayout l = layout();
  const Source s = random_source(l, 2);
  const PackedMatrix m = pack(l, s.codes, s.scales, s.zeros);
  const std::vector<float> w = dequantize(m);
  const std::size_t groups = l.in_features / l.group_size;
  for (std::size_t row = 0; row < l.out_features; ++row) {
    for (std::size_t j = 0; j < l.in_features; ++j) {
      const std::size_t g = j / l.group_size;
      ASSERT_EQ(code_from_document(m, row, j), s.codes[row * l.in_features + j]) << row << ", " << j;
      ASSERT_EQ(zero_from_document(m, row, g), s.zeros[row * groups + g]) << row << ", " << g;
      ASSERT_EQ(affine::scales(m)[((row / 32) * groups + g) * 32 + row % 32], s.scales[row * groups + g]);
      // Exact in f32, so equality with the double product: 11 + 8 significant bits.
      const double expected = half_value(s.scales[row * groups + g]) *
                              (int{s.codes[row * l.in_features + j]} - int{s.zeros[row * groups + g]});
      ASSERT_EQ(w[row * l.in_features + j], expected) << row << ", " << j;
    }
  }
}

TEST_P(PackedFormat, PaddingIsZeroAndSizesAreTheDocumentedOnes) {
  const PackedLayout l = layout();
  const Source s = random_source(l, 3);
  const PackedMatrix m = pack(l, s.codes, s.scales, s.zeros);
  const std::size_t padded_rows = (l.out_features + 31) / 32 * 32, padded_in = (l.in_features + 31) / 32 * 32;
  EXPECT_EQ(affine::qweight(m).size() * 32, padded_rows * padded_in * l.bits);
  EXPECT_EQ(affine::scales(m).size(), padded_rows * (l.in_features / l.group_size));
  EXPECT_EQ(affine::qzeros(m).size() * 32, padded_rows * (l.in_features / l.group_size) * l.bits);
  EXPECT_EQ(l.bytes(),
            4 * affine::qweight(m).size() + 2 * affine::scales(m).size() + 4 * affine::qzeros(m).size());
  for (std::size_t row = 0; row < padded_rows; ++row) {
    for (std::size_t j = row < l.out_features ? l.in_features : 0; j < padded_in; ++j)
      ASSERT_EQ(code_from_document(m, row, j), 0u);
    for (std::size_t g = 0; row >= l.out_features && g < l.groups(); ++g) {
      ASSERT_EQ(zero_from_document(m, row, g), 0u);
      ASSERT_EQ(affine::scales(m)[((row / 32) * l.groups() + g) * 32 + row % 32], 0u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sweep, PackedFormat,
                         testing::Combine(testing::Values(2u, 3u, 4u, 8u),
                                          testing::Values(1u, 31u, 32u, 33u, 70u),
                                          testing::Values(std::pair{4u, 4u}, std::pair{32u, 32u},
                                                          std::pair{64u, 4u}, std::pair{96u, 48u},
                                                          std::pair{172u, 4u}, std::pair{172u, 43u},
                                                          std::pair{172u, 172u}, std::pair{256u, 64u})));

// Row 33 of 34, features 32-63 of 64: block 1, chunk 1, so words (1 * 2 + 1) * bits * 32 + w * 32 + 1.
PackedMatrix golden(std::uint32_t bits, std::uint32_t period) {
  const PackedLayout l{.out_features = 34, .in_features = 64, .bits = bits, .group_size = 32};
  std::vector<std::uint8_t> codes(34 * 64), zeros(34 * 2);
  for (std::uint32_t i = 0; i < 32; ++i) codes[33 * 64 + 32 + i] = static_cast<std::uint8_t>(i % period);
  zeros[33 * 2 + 1] = 2;  // 10 in binary: only plane 1, bit 1
  std::vector<std::uint16_t> scales(34 * 2);
  scales[33 * 2 + 1] = 0x3800;  // 0.5
  return pack(l, codes, scales, zeros);
}

TEST(PackedFormatGolden, TwoBits) {
  const PackedMatrix m = golden(2, 4);  // 0 1 2 3 -> 11 10 01 00 = 0xE4
  EXPECT_EQ(affine::qweight(m)[193], 0xE4E4E4E4u);
  EXPECT_EQ(affine::qweight(m)[225], 0xE4E4E4E4u);
  EXPECT_EQ(affine::qzeros(m)[7], 2u);  // ((1 * 2 + 1) * 2 + 1): plane 1
  EXPECT_EQ(affine::scales(m)[97], 0x3800u);
  EXPECT_EQ(dequantize(m)[33 * 64 + 35], 0.5f);  // 0.5 * (3 - 2)
  EXPECT_EQ(dequantize(m)[33 * 64 + 32], -1.0f);
}

TEST(PackedFormatGolden, ThreeBits) {
  const PackedMatrix m = golden(3, 8);  // low bits of 0..7: 0xE4E4; high bits: 0xF0
  EXPECT_EQ(affine::qweight(m)[289], 0xE4E4E4E4u);
  EXPECT_EQ(affine::qweight(m)[321], 0xE4E4E4E4u);
  EXPECT_EQ(affine::qweight(m)[353], 0xF0F0F0F0u);
  EXPECT_EQ(affine::qzeros(m)[10], 2u);
}

TEST(PackedFormatGolden, FourBits) {
  const PackedMatrix m = golden(4, 16);
  EXPECT_EQ(affine::qweight(m)[385], 0x76543210u);
  EXPECT_EQ(affine::qweight(m)[417], 0xFEDCBA98u);
  EXPECT_EQ(affine::qweight(m)[449], 0x76543210u);
  EXPECT_EQ(affine::qzeros(m)[13], 2u);
}

TEST(PackedFormatGolden, EightBits) {
  const PackedMatrix m = golden(8, 256);
  EXPECT_EQ(affine::qweight(m)[769], 0x03020100u);
  EXPECT_EQ(affine::qweight(m)[801], 0x07060504u);
  EXPECT_EQ(affine::qweight(m)[993], 0x1F1E1D1Cu);
  EXPECT_EQ(affine::qzeros(m)[25], 2u);
}

TEST(PackedFormatErrors, SayWhatWasFoundAndWhatWouldDo) {
  try {
    check_layout({.out_features = 8, .in_features = 172, .bits = 2, .group_size = 64},
                 "model.layers.0.mlp.down_proj");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "[packed] model.layers.0.mlp.down_proj: group_size 64 does not divide in_features 172; "
                 "sizes that do: 43, 86, 172");
  }
  EXPECT_THROW(check_layout({.out_features = 8, .in_features = 64, .bits = 5, .group_size = 64}, "w"),
               InvalidArgument);
  EXPECT_THROW(check_layout({.out_features = 8, .in_features = 64, .bits = 2, .group_size = 0}, "w"),
               InvalidArgument);
  EXPECT_THROW(check_layout({.out_features = 0, .in_features = 64, .bits = 2, .group_size = 64}, "w"),
               InvalidArgument);
  EXPECT_EQ(possible_group_sizes(12), (std::vector<std::uint32_t>{1, 2, 3, 4, 6, 12}));
  EXPECT_EQ(possible_group_sizes(256), (std::vector<std::uint32_t>{32, 64, 128, 256}));
}

TEST(PackedFormatErrors, RefusesWrongSizesAndCodesThatDoNotFit) {
  const PackedLayout l{.out_features = 2, .in_features = 32, .bits = 3, .group_size = 32};
  Source s = random_source(l, 4);
  EXPECT_THROW(pack(l, std::span(s.codes).first(63), s.scales, s.zeros), ShapeError);
  EXPECT_THROW(pack(l, s.codes, std::span(s.scales).first(1), s.zeros), ShapeError);
  EXPECT_THROW(pack(l, s.codes, s.scales, std::span(s.zeros).first(1)), ShapeError);
  s.codes[5] = 8;
  EXPECT_THROW(pack(l, s.codes, s.scales, s.zeros), InvalidArgument);
  s.codes[5] = 7;
  s.zeros[1] = 8;
  EXPECT_THROW(pack(l, s.codes, s.scales, s.zeros), InvalidArgument);
  s.zeros[1] = 0;
  PackedMatrix m = pack(l, s.codes, s.scales, s.zeros);
  m.planes[0].pop_back();
  EXPECT_THROW(dequantize(m), ShapeError);
}

}  // namespace
}  // namespace apiq
