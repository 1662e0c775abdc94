#include "model/block.hpp"

#include "ops/nn.hpp"

namespace apiq::model {

RopeTables::RopeTables(Queue& queue, const ModelConfig& config, std::uint32_t max_positions)
    : cos(queue.device(), DType::f32, {max_positions, config.head_dim / 2}, "rope cosines"),
      sin(queue.device(), DType::f32, {max_positions, config.head_dim / 2}, "rope sines") {
  ops::rope_tables(queue, config.rope_theta, config.head_dim, cos, sin);
}

std::uint64_t Block::weight_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& linear : linears) bytes += linear.weight_bytes();
  return bytes;
}

}  // namespace apiq::model
