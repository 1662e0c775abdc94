#include "quant/lora_state.hpp"

#include <cmath>

#include "apiq/error.hpp"
#include "util/half.hpp"
#include "util/random.hpp"

namespace apiq::quant {

LoraState::LoraState(Queue& queue, std::uint32_t out_features, std::uint32_t in_features, std::uint32_t rank,
                     float alpha, std::uint64_t seed)
    : out_(out_features), in_(in_features), rank_(rank), alpha_(alpha) {
  if (rank == 0) return;
  const std::uint64_t count = std::uint64_t{rank} * (std::uint64_t{in_} + out_);
  parameters_ = DeviceTensor(queue.device(), DType::f32, {count}, "LoRA parameters");
  gradients_ = DeviceTensor(queue.device(), DType::f32, {count}, "LoRA gradients");
  const CounterRandom random(seed, 0);
  const float bound = 1.0f / std::sqrt(static_cast<float>(in_));
  std::vector<float> a(std::size_t{rank} * in_);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = (2.0f * random.uniform(i) - 1.0f) * bound;
  queue.write(A(), a.data());
  queue.fill_zero(B());
}

TensorView LoraState::part(const TensorView& flat, bool is_A) const {
  const std::uint64_t a_count = std::uint64_t{rank_} * in_;
  return is_A ? flat.rows(0, a_count).reshaped({rank_, in_})
              : flat.rows(a_count, std::uint64_t{rank_} * out_).reshaped({out_, rank_});
}

void LoraState::store(Queue& queue, QuantizedLinear& linear) const {
  linear.rank = rank_;
  linear.alpha = alpha_;
  if (rank_ == 0) return;
  const auto rounded = [&](const TensorView& view) {
    const std::vector<float> values = runtime::read_floats(queue, view);
    std::vector<std::uint16_t> out(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      out[i] = float_to_half(values[i]);
      if (!std::isfinite(half_to_float(out[i])))
        throw Error("[lora] a trained value of " + std::to_string(values[i]) +
                    " does not fit binary16; lower --lora-learning-rate");
    }
    return out;
  };
  linear.lora_A = rounded(A());
  linear.lora_B = rounded(B());
}

}  // namespace apiq::quant
