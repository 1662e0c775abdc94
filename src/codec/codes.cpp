#include "codec/codes.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "apiq/error.hpp"

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

std::uint64_t code_count(const PackedLayout& l) { return std::uint64_t{l.out_features} * l.in_features; }

// Calls use(first code of the chunk in row-major order, its number of codes in range, first word) for every
// chunk of every real row.
template <class Use>
void for_each_chunk(const PackedLayout& l, Use use) {
  for (std::uint64_t row = 0; row < l.out_features; ++row)
    for (std::uint64_t c = 0; c < l.chunks(); ++c)
      use(row * l.in_features + c * kChunk, std::min<std::uint64_t>(kChunk, l.in_features - c * kChunk),
          chunk_start(l, row, c));
}

}  // namespace

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

Plane code_plane(const PackedLayout& l) {
  return {"qweight", DType::u32, {l.row_blocks(), l.chunks(), l.bits, kRowBlock}};
}

void pack_codes(const PackedLayout& l, std::span<const std::uint8_t> codes, std::span<std::uint32_t> words) {
  check_count("codes", codes.size(), code_count(l));
  check_count("qweight", words.size(), code_plane(l).shape.elements());
  check_range("code", codes, l.bits);
  for_each_chunk(l, [&](std::uint64_t first, std::uint64_t count, std::uint64_t word) {
    Chunk chunk{};  // features past in_features stay code 0
    std::copy_n(&codes[first], count, chunk.begin());
    encode_chunk(chunk, l.bits, &words[word]);
  });
}

std::vector<std::uint8_t> unpack_codes(const PackedLayout& l, std::span<const std::uint32_t> words) {
  check_count("qweight", words.size(), code_plane(l).shape.elements());
  std::vector<std::uint8_t> codes(code_count(l));
  for_each_chunk(l, [&](std::uint64_t first, std::uint64_t count, std::uint64_t word) {
    std::copy_n(decode_chunk(&words[word], l.bits).begin(), count, &codes[first]);
  });
  return codes;
}

}  // namespace apiq
