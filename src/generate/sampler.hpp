// Choosing the next token from logits on the host.
#pragma once
#include <cstdint>
#include <span>

#include "apiq/generate.hpp"
#include "util/random.hpp"

namespace apiq::generate_detail {

/// Error: a choice among infinite or undefined logits was asked for.
[[noreturn]] void throw_not_finite();

class Sampler {
 public:
  /// Throws InvalidArgument for a negative temperature or a top_p outside (0, 1].
  explicit Sampler(const GenerateOptions& options);

  /// Greedy: the lowest index of the largest logit. Else a draw from softmax(logits / temperature) restricted
  /// to the top_k largest and, of those, the smallest set whose probability reaches top_p. The n-th call of a
  /// seed always draws with the n-th random number.
  std::int32_t choose(std::span<const float> logits);

 private:
  float temperature_, top_p_;
  std::uint32_t top_k_;
  CounterRandom random_;
  std::uint64_t draws_ = 0;
};

}  // namespace apiq::generate_detail
