// The LoRA pair of one linear while it is trained, f32 on the device, and its rounding to what is stored.
#pragma once
#include "codec/quantized_linear.hpp"
#include "runtime/queue.hpp"

namespace apiq::quant {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

class LoraState {
 public:
  /// A uniform in (-1/sqrt(in), 1/sqrt(in)) (kaiming_uniform with a = sqrt 5, as PEFT starts), B = 0.
  LoraState(Queue& queue, std::uint32_t out_features, std::uint32_t in_features, std::uint32_t rank,
            float alpha, std::uint64_t seed);

  static std::uint64_t device_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                    std::uint64_t rank) {
    return 2 * sizeof(float) * rank * (out_features + in_features);
  }

  std::uint32_t rank() const { return rank_; }
  float scaling() const { return rank_ ? alpha_ / static_cast<float>(rank_) : 0.0f; }
  TensorView A() const { return part(parameters_, true); }   // [rank, in]
  TensorView B() const { return part(parameters_, false); }  // [out, rank]
  /// A and B as one flat tensor, and the matching gradients: an optimizer steps them in one launch.
  const TensorView& parameters() const { return parameters_; }
  const TensorView& gradients() const { return gradients_; }
  TensorView dA() const { return part(gradients_, true); }
  TensorView dB() const { return part(gradients_, false); }

  /// Rounds to binary16 (nearest even) into the stored form.
  void store(Queue& queue, QuantizedLinear& linear) const;

 private:
  TensorView part(const TensorView& flat, bool is_A) const;
  std::uint32_t out_, in_, rank_;
  float alpha_;
  DeviceTensor parameters_, gradients_;
};

}  // namespace apiq::quant
