// A decoder block as plain data: which linears and norms it has and in which steps they compute. What depends
// on the shape of a block follows from it: names and shapes on disk, forward, backward, scratch memory, fused
// decoding and the tests' reference.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace apiq {

/// What a step reads and writes: activations [num_tokens, width]. Each is written by one step, except the
/// first, which is the block's input.
struct Slot {
  std::string_view name;
  std::uint32_t width = 0;
  bool operator==(const Slot&) const = default;
};
using SlotId = std::uint32_t;

/// y = x W^T (+ bias), W [out_features, in_features].
struct LinearSpec {
  std::string_view name;  // "self_attn.q_proj"
  std::uint32_t in_features = 0, out_features = 0;
  bool bias = false;
  bool operator==(const LinearSpec&) const = default;
};

/// RMSNorm over rows of `width` features; a norm of heads has the width of one.
struct NormSpec {
  std::string_view name;  // "input_layernorm"
  std::uint32_t width = 0;
  float eps = 0;
  bool operator==(const NormSpec&) const = default;
};

/// Causal, with grouped key/value heads and the scale 1 / sqrt(head_dim).
struct AttentionSpec {
  std::uint32_t heads = 0, kv_heads = 0, head_dim = 0;
  bool operator==(const AttentionSpec&) const = default;
};

enum class StepKind : std::uint8_t {
  norm,       // to = norm(from[0])
  linear,     // to = linear(from[0])
  rope,       // to = from[0] rotated, head by head, in its memory: no other step reads from[0]
  attention,  // to = attention(q = from[0], k = from[1], v = from[2])
  gate,       // to = silu(from[0]) * from[1]
  add,        // to = from[0] + from[1]
};

struct Step {
  StepKind kind{};
  std::vector<SlotId> from;
  SlotId to = 0;
  std::uint32_t param = 0;  // index of the linear or norm
  bool operator==(const Step&) const = default;
};

/// Linears that read the same input, [first, end): they can be solved side by side.
struct Stage {
  std::uint32_t first = 0, end = 0;
  bool operator==(const Stage&) const = default;
};

struct BlockSpec {
  std::vector<Slot> slots;          // [0] is the input, the last step's `to` the output
  std::vector<LinearSpec> linears;  // in the order of their steps, which is the order of solving
  std::vector<NormSpec> norms;
  AttentionSpec attention;
  std::vector<Step> steps;
  std::vector<Stage> stages;

  SlotId output() const { return steps.back().to; }
  bool operator==(const BlockSpec&) const = default;
};

}  // namespace apiq
