// CPython's random.Random, as far as published calibration sets need it: seed(int) and randint. Same seed,
// same windows. Source: M. Matsumoto and T. Nishimura, Mersenne Twister (1998), MT19937 with init_by_array;
// CPython Modules/_randommodule.c, Lib/random.py.
#pragma once
#include <array>
#include <cstdint>

namespace apiq {

class PythonRandom {
 public:
  /// random.seed(seed) for a non-negative int.
  explicit PythonRandom(std::uint64_t seed);

  /// random.getrandbits(32).
  std::uint32_t next_u32();
  /// random.getrandbits(bits), 1 <= bits <= 64.
  std::uint64_t bits(int bits);
  /// random.randint(low, high): uniform, both ends included. Throws InvalidArgument if high < low.
  std::int64_t randint(std::int64_t low, std::int64_t high);

 private:
  static constexpr int kSize = 624;
  void twist();

  std::array<std::uint32_t, kSize> state_{};
  int next_ = kSize;
};

}  // namespace apiq
