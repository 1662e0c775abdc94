#include "util/python_random.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "apiq/error.hpp"

namespace apiq {

PythonRandom::PythonRandom(std::uint64_t seed) {
  // The key is the seed's 32-bit words, lowest first; zero still has one word.
  const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(seed),
                                            static_cast<std::uint32_t>(seed >> 32)};
  const int key_size = key[1] != 0 ? 2 : 1;

  state_[0] = 19650218u;
  for (int i = 1; i < kSize; ++i)
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<std::uint32_t>(i);

  int i = 1, j = 0;
  const auto advance = [&] {
    if (++i == kSize) {
      state_[0] = state_[kSize - 1];
      i = 1;
    }
  };
  for (int k = std::max(kSize, key_size); k > 0; --k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525u)) + key[j] +
                static_cast<std::uint32_t>(j);
    j = (j + 1) % key_size;
    advance();
  }
  for (int k = kSize - 1; k > 0; --k) {
    state_[i] =
        (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941u)) - static_cast<std::uint32_t>(i);
    advance();
  }
  state_[0] = 0x80000000u;
}

void PythonRandom::twist() {
  for (int k = 0; k < kSize; ++k) {
    const std::uint32_t y = (state_[k] & 0x80000000u) | (state_[(k + 1) % kSize] & 0x7fffffffu);
    state_[k] = state_[(k + 397) % kSize] ^ (y >> 1) ^ ((y & 1u) ? 0x9908b0dfu : 0u);
  }
  next_ = 0;
}

std::uint32_t PythonRandom::next_u32() {
  if (next_ == kSize) twist();
  std::uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

std::uint64_t PythonRandom::bits(int bits) {
  if (bits <= 32) return next_u32() >> (32 - bits);
  const std::uint64_t low = next_u32();  // CPython fills the lowest word first and shortens only the last
  return low | (static_cast<std::uint64_t>(next_u32() >> (64 - bits)) << 32);
}

std::int64_t PythonRandom::randint(std::int64_t low, std::int64_t high) {
  if (high < low)
    throw InvalidArgument("[randint] expected low <= high, found " + std::to_string(low) + " > " +
                          std::to_string(high));
  const std::uint64_t count = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  if (count == 0) throw InvalidArgument("[randint] the range of all 64-bit integers is not supported");
  std::uint64_t draw = 0;
  do draw = bits(std::bit_width(count));
  while (draw >= count);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + draw);
}

}  // namespace apiq
