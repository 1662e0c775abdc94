// The affine codec: a code is a step of a grid that a group of neighbours in a row shares,
//   w = scale * (code - zero_point), exact in f32.
//
//   qweight u32 [row_blocks][chunks][bits][32]   codes (codec/codes.hpp)
//   scales  f16 [row_blocks][groups][32]
//   qzeros  u32 [row_blocks][groups][bits]       bit r of word p = bit p of the zero point of row r of the
//   block
//
// Past the matrix codes, scales and zero points are 0. docs/packed-format.md is the specification,
// cl/lib/codec_affine.h the other reader.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "codec/codecs.hpp"

namespace apiq {

/// codes u8 [out, in], scales binary16 [out, groups], zeros u8 [out, groups], all row-major. Throws
/// ShapeError, and InvalidArgument for a code or zero point that does not fit in `bits`.
PackedMatrix pack(const PackedLayout& layout, std::span<const std::uint8_t> codes,
                  std::span<const std::uint16_t> scales, std::span<const std::uint8_t> zeros);

/// The planes as they are stored.
namespace affine {
std::span<const std::uint32_t> qweight(const PackedMatrix& matrix);
std::span<const std::uint16_t> scales(const PackedMatrix& matrix);  // binary16
std::span<const std::uint32_t> qzeros(const PackedMatrix& matrix);
}  // namespace affine

/// Inverse of pack: codes u8 [out, in] row-major.
std::vector<std::uint8_t> unpack_codes(const PackedMatrix& matrix);
/// Scales as f32 [out, groups], and zero points u8 [out, groups].
std::vector<float> unpack_scales(const PackedMatrix& matrix);
std::vector<std::uint8_t> unpack_zeros(const PackedMatrix& matrix);

/// W as f32 [out, in] row-major.
std::vector<float> dequantize(const PackedMatrix& matrix);

}  // namespace apiq
