#include "model/block.hpp"

#include "ops/nn.hpp"

namespace apiq::model {

using runtime::Workspace;

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

void attention_stage(Queue& queue, const ModelConfig& config, const RopeTables& rope, const TensorView& q,
                     const KvView& kv, std::uint32_t first_position, const TensorView& a,
                     const TensorView& lse) {
  const std::uint64_t tokens = q.shape[0], heads = config.num_attention_heads,
                      kv_heads = config.num_key_value_heads, dim = config.head_dim;
  const TensorView q3 = q.reshaped({tokens, heads, dim});
  ops::rope_fwd(queue, q3, rope.cos, rope.sin, first_position);
  ops::rope_fwd(queue, kv.k.rows(first_position, tokens).reshaped({tokens, kv_heads, dim}), rope.cos,
                rope.sin, first_position);
  const std::uint64_t keys = first_position + tokens;
  ops::attention_fwd(queue, q3, kv.k.rows(0, keys).reshaped({keys, kv_heads, dim}),
                     kv.v.rows(0, keys).reshaped({keys, kv_heads, dim}), a.reshaped({tokens, heads, dim}),
                     lse);
}

void block_forward(Queue& queue, runtime::Rounding rounding, const ModelConfig& config,
                   const RopeTables& rope, const Block& block, const TensorView& x, const KvView& kv,
                   std::uint32_t first_position) {
  const std::uint64_t tokens = x.shape[0];
  Workspace::Scope scope(queue.workspace());
  const auto scratch = [&](std::uint64_t features) {
    return queue.workspace().allocate(x.dtype, {tokens, features});
  };

  const TensorView h = scratch(config.hidden_size), q = scratch(config.q_features()),
                   a = scratch(config.q_features());
  ops::rmsnorm_fwd(queue, x, block.norms[0], config.rms_norm_eps, h);
  block.linears[kQ].forward(queue, rounding, h, q);
  block.linears[kK].forward(queue, rounding, h, kv.k.rows(first_position, tokens));
  block.linears[kV].forward(queue, rounding, h, kv.v.rows(first_position, tokens));
  attention_stage(queue, config, rope, q, kv, first_position, a);
  block.linears[kO].forward(queue, rounding, a, h);
  ops::add(queue, x, h, x);

  const TensorView gate = scratch(config.intermediate_size), up = scratch(config.intermediate_size);
  ops::rmsnorm_fwd(queue, x, block.norms[1], config.rms_norm_eps, h);
  block.linears[kGate].forward(queue, rounding, h, gate);
  block.linears[kUp].forward(queue, rounding, h, up);
  ops::swiglu_fwd(queue, gate, up, gate);
  block.linears[kDown].forward(queue, rounding, gate, h);
  ops::add(queue, x, h, x);
}

}  // namespace apiq::model
