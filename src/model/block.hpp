// The weights of a decoder block on the device, and what all blocks of a model share.
#pragma once
#include <cstdint>
#include <vector>

#include "family/model_config.hpp"
#include "model/linear.hpp"

namespace apiq::model {

/// cos and sin of every position a model takes.
struct RopeTables {
  DeviceTensor cos, sin;  // f32 [max_positions, head_dim / 2]
  RopeTables(Queue& queue, const ModelConfig& config, std::uint32_t max_positions);
};

/// Keys and values of one layer; rows are positions.
struct KvView {
  TensorView k, v;  // [capacity, num_key_value_heads * head_dim]
};

/// In the order of its spec.
struct Block {
  std::vector<DeviceTensor> norms;  // f32 [width]
  std::vector<Linear> linears;

  std::uint64_t weight_bytes() const;
};

}  // namespace apiq::model
