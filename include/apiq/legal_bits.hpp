// Bits per code that can be stored, wherever bits are chosen: for a model, for single linears, in files.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

namespace apiq {

inline constexpr std::array<std::uint32_t, 4> kLegalBits = {2, 3, 4, 8};
inline constexpr const char* kLegalBitsText = "2, 3, 4 or 8";

constexpr bool is_legal_bits(std::uint32_t bits) {
  return std::find(kLegalBits.begin(), kLegalBits.end(), bits) != kLegalBits.end();
}

}  // namespace apiq
