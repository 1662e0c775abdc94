// A block for one token: the same sums as block_forward, its packed linears stage by stage in fused launches.
#include <initializer_list>
#include <vector>

#include "model/block.hpp"
#include "ops/nn.hpp"
#include "ops/stage.hpp"

namespace apiq::model {

namespace {

using ops::StageLinear;
using ops::StageOutput;
using runtime::Workspace;

/// The linears first .. first + ys.size() - 1 as one stage; empty if they are dense or their formats differ.
std::vector<StageLinear> stage_of(const Block& block, std::uint32_t first,
                                  std::initializer_list<TensorView> ys) {
  std::vector<StageLinear> stage;
  std::vector<ops::PackedWeightView> weights;
  for (const TensorView& y : ys) {
    const Linear& linear = block.linears[first++];
    if (!linear.is_packed()) return {};
    stage.push_back({linear.packed_weight(), linear.lora(), y});
    weights.push_back(stage.back().weight);
  }
  return ops::is_stage(weights) ? stage : std::vector<StageLinear>{};
}

}  // namespace

void block_decode(Queue& queue, const ModelConfig& config, const RopeTables& rope, const Block& block,
                  const TensorView& x, const KvView& kv, std::uint32_t position) {
  Workspace::Scope scope(queue.workspace());
  const auto scratch = [&](std::uint64_t features) {
    return queue.workspace().allocate(x.dtype, {1, features});
  };
  const TensorView h = scratch(config.hidden_size), q = scratch(config.q_features()),
                   a = scratch(config.q_features());
  const TensorView k = kv.k.rows(position, 1), v = kv.v.rows(position, 1);
  const float eps = config.rms_norm_eps;

  if (const auto stage = stage_of(block, kQ, {q, k, v}); !stage.empty()) {
    ops::decode_stage(queue, stage, x, block.norms[0], eps, StageOutput::store);
  } else {
    ops::rmsnorm_fwd(queue, x, block.norms[0], eps, h);
    block.linears[kQ].forward(queue, runtime::Rounding::none, h, q);
    block.linears[kK].forward(queue, runtime::Rounding::none, h, k);
    block.linears[kV].forward(queue, runtime::Rounding::none, h, v);
  }
  attention_stage(queue, config, rope, q, kv, position, a);

  // x += linear(from)
  const auto add = [&](std::uint32_t linear, const TensorView& from) {
    if (const auto stage = stage_of(block, linear, {x}); !stage.empty())
      return ops::decode_stage(queue, stage, from, {}, eps, StageOutput::add);
    block.linears[linear].forward(queue, runtime::Rounding::none, from, h);
    ops::add(queue, x, h, x);
  };
  add(kO, a);

  const TensorView gate = scratch(config.intermediate_size);
  if (const auto stage = stage_of(block, kGate, {gate, {}}); !stage.empty()) {
    ops::decode_stage(queue, stage, x, block.norms[1], eps, StageOutput::gated);
  } else {
    const TensorView up = scratch(config.intermediate_size);
    ops::rmsnorm_fwd(queue, x, block.norms[1], eps, h);
    block.linears[kGate].forward(queue, runtime::Rounding::none, h, gate);
    block.linears[kUp].forward(queue, runtime::Rounding::none, h, up);
    ops::swiglu_fwd(queue, gate, up, gate);
  }
  add(kDown, gate);
}

}  // namespace apiq::model
