// Tensors of a trial: host values, the device's copy, and packed weights made from codes.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/fast_path/fast_path.hpp"
#include "ops/packed_buffers.hpp"

namespace apiq::ops::trial {

using runtime::DeviceTensor;

DeviceTensor put(Queue& queue, const std::vector<float>& values, const Shape& shape,
                 DType dtype = DType::f32);
DeviceTensor space(Queue& queue, const Shape& shape, DType dtype = DType::f32);

/// A small integer for every place of a matrix, -128 to 127: all 256 differ within each aligned tile of 16 x
/// 16, and neighbouring tiles differ. `turn` makes matrices unlike each other.
float small_integer(std::uint64_t row, std::uint64_t column, std::uint64_t turn);

/// rows x columns of small integers; transposed: stored [columns, rows].
std::vector<float> small_integers(std::uint64_t rows, std::uint64_t columns, std::uint64_t turn,
                                  bool transposed = false);

/// A packed weight with its LoRA on the device, and what it stands for.
struct PackedWeight {
  PackedBuffers buffers;
  DeviceTensor A, B_t;
  std::vector<float> weight;  // [out, in]: scale * (code - zero)
  std::vector<float> lora_A;  // [rank, in]
  std::vector<float> lora_B;  // [out, rank]
  float scaling = 0;
  std::uint32_t rank = 0;

  PackedWeightView view() const { return buffers.view(); }
  LoraView lora() const;
};

/// Codes and zero points that follow no order, scales that are powers of two (so that every weight is exact
/// in f16 and bf16). LoRA's factor that comes first, A forward and B backward, has one entry of 1 or -1 for
/// each of the rank, so that the product with it is exact as well; the other small integers.
PackedWeight packed_integers(Queue& queue, std::uint32_t bits, std::uint32_t group_size, std::uint32_t out,
                             std::uint32_t in, std::uint32_t rank, bool forward);

}  // namespace apiq::ops::trial
