// One quantized linear layer as it is stored: the packed matrix, and the LoRA pair in binary16.
#pragma once
#include <cstdint>
#include <vector>

#include "codec/affine.hpp"

namespace apiq {

struct QuantizedLinear {
  PackedMatrix weight;
  bool symmetric = false;
  std::uint32_t rank = 0;             // 0: no LoRA
  float alpha = 0;                    // scaling = alpha / rank
  std::vector<std::uint16_t> lora_A;  // [rank, in_features]
  std::vector<std::uint16_t> lora_B;  // [out_features, rank]

  float scaling() const { return rank ? alpha / static_cast<float>(rank) : 0.0f; }
  std::uint64_t adapter_bytes() const { return 2 * (lora_A.size() + lora_B.size()); }
};

}  // namespace apiq
