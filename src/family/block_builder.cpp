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

SlotId BlockBuilder::norm(SlotId x, std::string_view name) {
  spec_.norms.push_back({name, width(x), norm_eps_});
  return step(StepKind::norm, {x}, name, width(x), spec_.norms.size() - 1);
}

SlotId BlockBuilder::linear(SlotId x, std::string_view name, std::uint32_t out_features, bool bias) {
  spec_.linears.push_back({name, width(x), out_features, bias});
  return step(StepKind::linear, {x}, name, out_features, spec_.linears.size() - 1);
}

SlotId BlockBuilder::rope(SlotId x) { return step(StepKind::rope, {x}, "rotated", width(x)); }

SlotId BlockBuilder::attention(SlotId q, SlotId k, SlotId v) {
  assert(width(q) == spec_.attention.heads * spec_.attention.head_dim && width(k) == width(v));
  return step(StepKind::attention, {q, k, v}, "attention", width(q));
}

SlotId BlockBuilder::gate(SlotId gate, SlotId up) {
  assert(width(gate) == width(up));
  return step(StepKind::gate, {gate, up}, "gated", width(gate));
}

SlotId BlockBuilder::add(SlotId a, SlotId b) {
  assert(width(a) == width(b));
  return step(StepKind::add, {a, b}, "sum", width(a));
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
