// A packed weight with LoRA on the device, random in every bit that means something.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/packed_buffers.hpp"

namespace apiq::perf {

/// Codes and zero points of every value, scales of up to 0.01. The same for the same seed.
PackedMatrix random_packed(const PackedLayout& layout, std::uint32_t seed);

class PackedOperand {
 public:
  /// rank 0: no LoRA. The same for the same seed.
  PackedOperand(runtime::Queue& queue, const PackedLayout& layout, std::uint32_t rank, std::uint32_t seed);

  ops::PackedWeightView view() const { return buffers_.view(); }
  const ops::LoraView& lora() const { return lora_; }
  double packed_bytes() const { return static_cast<double>(buffers_.layout().bytes()); }
  double lora_bytes() const {
    return lora_.rank == 0 ? 0.0 : static_cast<double>(lora_.A.bytes() + lora_.B_t.bytes());
  }

 private:
  ops::PackedBuffers buffers_;
  runtime::DeviceTensor a_, b_t_;
  ops::LoraView lora_;
};

/// Activations f16 or f32, uniform in [-1, 1).
runtime::DeviceTensor random_activations(runtime::Queue& queue, DType dtype, const Shape& shape,
                                         std::uint32_t seed);

}  // namespace apiq::perf
