// How a weight matrix is stored, as data: which codec, how many bits a code has, how many neighbours share a
// grid; and the sizes that follow for one matrix. docs/packed-format.md describes the layout bit by bit.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace apiq {

struct Codec;                // codec/codecs.hpp
extern const Codec kAffine;  // codec/affine.cpp

inline constexpr std::uint32_t kRowBlock = 32;  // rows interleaved
inline constexpr std::uint32_t kChunk = 32;     // input features whose codes fill `bits` whole words

struct WeightFormat {
  const Codec* codec = &kAffine;
  std::uint32_t bits = 2;
  std::uint32_t group_size = 64;
  bool operator==(const WeightFormat&) const = default;
};

/// One packed matrix W [out_features, in_features] and its format. Codes of all codecs lie in the same
/// places: rows interleaved in blocks of 32, so that 32 neighbouring words hold the same input features of 32
/// output rows (contiguous vector loads on a CPU, coalesced ones on a GPU).
struct PackedLayout {
  std::uint32_t out_features = 0, in_features = 0;
  std::uint32_t bits = 2;         // what the codec allows
  std::uint32_t group_size = 64;  // divides in_features
  const Codec* codec = &kAffine;

  WeightFormat format() const { return {codec, bits, group_size}; }
  // Sums in 64 bits: a count near 2^32 must not wrap to a small one.
  std::uint64_t row_blocks() const { return (std::uint64_t{out_features} + kRowBlock - 1) / kRowBlock; }
  std::uint64_t chunks() const { return (std::uint64_t{in_features} + kChunk - 1) / kChunk; }
  std::uint64_t groups() const { return in_features / group_size; }  // per row
  /// Of everything that is stored: codes and what decodes them.
  std::uint64_t bytes() const;

  bool operator==(const PackedLayout&) const = default;
};

/// Throws InvalidArgument for bits that the codec has not and for a group_size that does not divide
/// in_features (the text lists group sizes that do); `name` is the tensor named in the text.
void check_layout(const PackedLayout& layout, const char* name);

/// Divisors of in_features that make sensible group sizes, ascending, for messages: those from 32 up (43, 86,
/// 172 of 172), all of them when in_features is below 32.
std::vector<std::uint32_t> possible_group_sizes(std::uint32_t in_features);

}  // namespace apiq
