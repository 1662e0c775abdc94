// The packed layout of a quantized matrix, on the host. docs/packed-format.md describes it bit by bit;
// cl/lib/unpack.h is the other reader. Rows are interleaved in blocks of 32, so that 32 neighbouring words
// hold the same input features of 32 output rows: contiguous vector loads on a CPU, coalesced ones on a GPU.
//
//   qweight u32 [row_blocks][chunks][bits][32]   chunk = 32 input features of a row = `bits` words
//       bits 2, 4, 8: word w holds features w*32/bits .. in ascending order from the lowest bit
//       bits 3:       words 0, 1 hold the two low bits of features 0-15, 16-31; word 2 holds the high bit of
//       feature i at bit i
//   scales  f16 [row_blocks][groups][32]
//   qzeros  u32 [row_blocks][groups][bits]       bit r of word p = bit p of the zero point of row r of the
//   block
//
// w = scale * (code - zero_point), exact in f32. Rows past out_features and features past in_features hold
// code 0, scale 0, zero 0.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace apiq {

inline constexpr std::uint32_t kRowBlock = 32;  // rows interleaved
inline constexpr std::uint32_t kChunk = 32;     // input features whose codes fill `bits` whole words

/// Sizes of one packed matrix W [out_features, in_features].
struct PackedLayout {
  std::uint32_t out_features = 0, in_features = 0;
  std::uint32_t bits = 2;         // 2, 3, 4 or 8
  std::uint32_t group_size = 64;  // divides in_features

  std::uint64_t row_blocks() const { return (out_features + kRowBlock - 1) / kRowBlock; }
  std::uint64_t chunks() const { return (in_features + kChunk - 1) / kChunk; }
  std::uint64_t groups() const { return in_features / group_size; }  // per row
  std::uint64_t qweight_words() const { return row_blocks() * chunks() * bits * kRowBlock; }
  std::uint64_t scale_count() const { return row_blocks() * groups() * kRowBlock; }
  std::uint64_t qzeros_words() const { return row_blocks() * groups() * bits; }
  std::uint64_t bytes() const { return 4 * qweight_words() + 2 * scale_count() + 4 * qzeros_words(); }

  bool operator==(const PackedLayout&) const = default;
};

/// Throws InvalidArgument for bits other than 2, 3, 4, 8 and for a group_size that does not divide
/// in_features (the text lists group sizes that do); `name` is the tensor named in the text.
void check_layout(const PackedLayout& layout, const char* name);

/// Divisors of in_features that make sensible group sizes, ascending, for messages: those from 32 up (43, 86,
/// 172 of 172), all of them when in_features is below 32.
std::vector<std::uint32_t> possible_group_sizes(std::uint32_t in_features);

struct PackedMatrix {
  PackedLayout layout;
  std::vector<std::uint32_t> qweight;
  std::vector<std::uint16_t> scales;  // binary16
  std::vector<std::uint32_t> qzeros;
};

/// codes u8 [out, in], scales binary16 [out, groups], zeros u8 [out, groups], all row-major. Throws
/// ShapeError, and InvalidArgument for a code or zero point that does not fit in `bits`.
PackedMatrix pack(const PackedLayout& layout, std::span<const std::uint8_t> codes,
                  std::span<const std::uint16_t> scales, std::span<const std::uint8_t> zeros);

/// Inverse of pack: codes u8 [out, in] row-major.
std::vector<std::uint8_t> unpack_codes(const PackedMatrix& matrix);
/// Scales as f32 [out, groups], and zero points u8 [out, groups].
std::vector<float> unpack_scales(const PackedMatrix& matrix);
std::vector<std::uint8_t> unpack_zeros(const PackedMatrix& matrix);

/// W as f32 [out, in] row-major.
std::vector<float> dequantize(const PackedMatrix& matrix);

}  // namespace apiq
