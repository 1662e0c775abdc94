// Codes in the packed layout: what all codecs with codes of 2, 3, 4 or 8 bits share.
//
//   u32 [row_blocks][chunks][bits][32]   chunk = 32 input features of a row = `bits` words
//       bits 2, 4, 8: word w holds features w*32/bits .. in ascending order from the lowest bit
//       bits 3:       words 0, 1 hold the two low bits of features 0-15, 16-31; word 2 holds the high bit of
//       feature i at bit i
// Rows past out_features and features past in_features hold code 0. cl/lib/unpack.h is the other reader.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "codec/codecs.hpp"

namespace apiq {

/// The plane of codes, "qweight".
Plane code_plane(const PackedLayout& layout);
/// codes u8 [out, in] row-major into words that are zero. Throws ShapeError, and InvalidArgument for a code
/// that does not fit.
void pack_codes(const PackedLayout& layout, std::span<const std::uint8_t> codes,
                std::span<std::uint32_t> words);
/// Inverse: u8 [out, in] row-major.
std::vector<std::uint8_t> unpack_codes(const PackedLayout& layout, std::span<const std::uint32_t> words);

/// Throws ShapeError unless there are so many.
void check_count(const char* what, std::uint64_t found, std::uint64_t expected);
/// Throws InvalidArgument unless all fit in so many bits.
void check_range(const char* what, std::span<const std::uint8_t> values, std::uint32_t bits);

}  // namespace apiq
