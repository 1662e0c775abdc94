// Counter-based random numbers: the n-th value of a stream is a pure function of (seed, stream, n), so
// results do not depend on the order of work. SplitMix64's finalizer (Steele, Lea, Flood, OOPSLA 2014) mixes
// the counter.
#pragma once
#include <cstdint>

namespace apiq {

class CounterRandom {
 public:
  CounterRandom(std::uint64_t seed, std::uint64_t stream)
      : key_(mix(mix(seed + kGolden) ^ (stream * kGolden))) {}

  std::uint64_t bits(std::uint64_t n) const { return mix(key_ + (n + 1) * kGolden); }
  /// In [0, 1), 24 random bits.
  float uniform(std::uint64_t n) const { return static_cast<float>(bits(n) >> 40) * 0x1p-24f; }
  /// In [0, bound), bound > 0; the bias of the multiplication is below bound / 2^64.
  std::uint64_t below(std::uint64_t n, std::uint64_t bound) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(bits(n)) * bound) >> 64);
  }

 private:
  static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15u;
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint64_t key_;
};

}  // namespace apiq
