// One decoder block of a Llama-family model, in the stages between its linears: calibration runs them one by
// one, inference all at once.
//
//   stage 0 (q, k, v)     input  h = rmsnorm(x)
//   stage 1 (o)           input  a = attention(rope(q), rope(k), v)
//   stage 2 (gate, up)    input  h = rmsnorm(x + o(a))
//   stage 3 (down)        input  m = silu(gate) * up;    block output x + down(m)
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

enum LinearIndex : std::uint32_t { kQ, kK, kV, kO, kGate, kUp, kDown };

struct Block {
  std::vector<DeviceTensor> norms;  // f32 [width]
  std::vector<Linear> linears;

  std::uint64_t weight_bytes() const;
};

/// a [num_tokens, q_features] = attention of q over keys and values 0 .. first_position + num_tokens; rotates
/// q and the last num_tokens rows of kv.k in place.   q [num_tokens, q_features];  lse as in
/// ops::attention_fwd
void attention_stage(Queue& queue, const ModelConfig& config, const RopeTables& rope, const TensorView& q,
                     const KvView& kv, std::uint32_t first_position, const TensorView& a,
                     const TensorView& lse = {});

/// x [num_tokens, hidden_size] in place through the block; tokens at first_position .. Keys and values go
/// into kv; rounding is that of the linears' products.
void block_forward(Queue& queue, runtime::Rounding rounding, const ModelConfig& config,
                   const RopeTables& rope, const Block& block, const TensorView& x, const KvView& kv,
                   std::uint32_t first_position);

/// The same for one token, x [1, hidden_size], in fewer launches where the block's linears are packed.
void block_decode(Queue& queue, const ModelConfig& config, const RopeTables& rope, const Block& block,
                  const TensorView& x, const KvView& kv, std::uint32_t position);

}  // namespace apiq::model
