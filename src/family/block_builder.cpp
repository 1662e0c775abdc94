#include "family/block_builder.hpp"

#include <cassert>
#include <utility>

namespace apiq {

BlockBuilder::BlockBuilder(std::uint32_t hidden_size, const AttentionSpec& attention, float norm_eps)
    : norm_eps_(norm_eps) {
  spec_.slots.push_back({"x", hidden_size});
  spec_.attention = attention;
}

SlotId BlockBuilder::step(StepKind kind, std::vector<SlotId> from, std::string_view name, std::uint32_t width,
                          std::size_t param) {
  const auto to = static_cast<SlotId>(spec_.slots.size());
  spec_.slots.push_back({name, width});
  spec_.steps.push_back({kind, std::move(from), to, static_cast<std::uint32_t>(param)});
  return to;
}

SlotId BlockBuilder::norm(SlotId x, std::string_view name, std::uint32_t width) {
  spec_.norms.push_back({name, width != 0 ? width : width_of(x), norm_eps_});
  assert(width_of(x) % spec_.norms.back().width == 0);
  return step(StepKind::norm, {x}, name, width_of(x), spec_.norms.size() - 1);
}

SlotId BlockBuilder::linear(SlotId x, std::string_view name, std::uint32_t out_features, bool bias) {
  spec_.linears.push_back({name, width_of(x), out_features, bias});
  return step(StepKind::linear, {x}, name, out_features, spec_.linears.size() - 1);
}

SlotId BlockBuilder::rope(SlotId x) { return step(StepKind::rope, {x}, "rotated", width_of(x)); }

SlotId BlockBuilder::attention(SlotId q, SlotId k, SlotId v) {
  assert(width_of(q) == spec_.attention.heads * spec_.attention.head_dim && width_of(k) == width_of(v));
  return step(StepKind::attention, {q, k, v}, "attention", width_of(q));
}

SlotId BlockBuilder::gate(SlotId gate, SlotId up) {
  assert(width_of(gate) == width_of(up));
  return step(StepKind::gate, {gate, up}, "gated", width_of(gate));
}

SlotId BlockBuilder::add(SlotId a, SlotId b) {
  assert(width_of(a) == width_of(b));
  return step(StepKind::add, {a, b}, "sum", width_of(a));
}

BlockSpec BlockBuilder::finish() {
  const Step* before = nullptr;
  for (const Step& step : spec_.steps) {
    if (step.kind != StepKind::linear) continue;
    if (before == nullptr || before->from != step.from) spec_.stages.push_back({step.param, step.param});
    spec_.stages.back().end = step.param + 1;
    before = &step;
  }
  return std::move(spec_);
}

}  // namespace apiq
