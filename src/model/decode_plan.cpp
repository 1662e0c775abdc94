#include "model/decode_plan.hpp"

#include <algorithm>

namespace apiq::model {

using ops::StageOutput;

DecodePlan::DecodePlan(const BlockSpec& spec, const Block& block, DType activations)
    : spec_(spec), block_(block), plan_(forward_plan(spec, 1, activations)) {
  for (std::uint32_t step = 0; step < spec.steps.size(); step = parts_.back().end)
    parts_.push_back(fused_from(step).value_or(Part{.first = step, .end = step + 1}));
}

/// Packed linears in a row whose formats a fused stage takes.
bool DecodePlan::is_stage(std::uint32_t first_linear, std::size_t count) const {
  std::vector<ops::PackedWeightView> weights;
  for (std::size_t l = first_linear; l < first_linear + count; ++l) {
    if (!block_.linears[l].is_packed_product()) return false;
    weights.push_back(block_.linears[l].packed_weight());
  }
  return count != 0 && ops::is_stage(weights);
}

bool DecodePlan::read_once(SlotId slot) const {
  std::size_t readers = 0;
  for (const Step& step : spec_.steps)
    readers += static_cast<std::size_t>(std::count(step.from.begin(), step.from.end(), slot));
  return readers == 1;
}

/// The longest of: [norm,] linears of one input, then a gate of two of them; or one linear, then its addition
/// to the residual stream in place.
std::optional<DecodePlan::Part> DecodePlan::fused_from(std::uint32_t first) const {
  Part part{.first = first, .end = first, .fused = true};
  const auto& steps = spec_.steps;
  if (steps[first].kind == StepKind::norm) {
    part.norm = steps[first].param;
    ++part.end;
  }
  if (part.end == steps.size() || steps[part.end].kind != StepKind::linear) return std::nullopt;
  const SlotId input = steps[part.end].from[0];
  if (part.norm && input != steps[first].to) return std::nullopt;
  part.from = part.norm ? steps[first].from[0] : input;
  part.first_linear = steps[part.end].param;
  for (; part.end < steps.size(); ++part.end) {
    const Step& step = steps[part.end];
    if (step.kind != StepKind::linear || step.from[0] != input) break;
    part.to.push_back(step.to);
  }
  part.linears = static_cast<std::uint32_t>(part.to.size());
  if (!is_stage(part.first_linear, part.linears)) return std::nullopt;
  if (part.end == steps.size()) return part;

  const Step& next = steps[part.end];
  const bool only_reader = std::all_of(part.to.begin(), part.to.end(), [&](SlotId to) {
    return read_once(to) && std::find(next.from.begin(), next.from.end(), to) != next.from.end();
  });
  if (next.kind == StepKind::gate && next.from == part.to && only_reader && !has_bias(part)) {
    part.output = StageOutput::gated;
    part.to = {next.to};
    ++part.end;
  } else if (next.kind == StepKind::add && part.to.size() == 1 && only_reader) {
    const SlotId other = next.from[0] == part.to[0] ? next.from[1] : next.from[0];
    if (plan_.memory_of(plan_.activation(other)) != plan_.memory_of(plan_.activation(next.to))) return part;
    part.output = StageOutput::add;
    part.to = {next.to};
    ++part.end;
  }
  return part;
}

/// A bias comes before the gate, which is inside the stage.
bool DecodePlan::has_bias(const Part& part) const {
  for (std::uint32_t i = 0; i < part.linears; ++i)
    if (block_.linears[part.first_linear + i].has_bias()) return true;
  return false;
}

std::size_t DecodePlan::fused_stages() const {
  return static_cast<std::size_t>(
      std::count_if(parts_.begin(), parts_.end(), [](const Part& part) { return part.fused; }));
}

void DecodePlan::run_fused(Queue& queue, const BlockRun& run, const Part& part) const {
  std::vector<ops::StageLinear> stage;
  for (std::uint32_t i = 0; i < part.linears; ++i) {
    const Linear& linear = block_.linears[part.first_linear + i];
    const TensorView y = i < part.to.size() ? run.view(plan_.activation(part.to[i])) : TensorView{};
    stage.push_back({linear.packed_weight(), linear.lora(), y});
  }
  const TensorView norm = part.norm ? block_.norms[*part.norm].view() : TensorView{};
  ops::decode_stage(queue, stage, run.view(plan_.activation(part.from)), norm,
                    part.norm ? spec_.norms[*part.norm].eps : 0.0f, part.output);
  for (std::uint32_t i = 0; i < part.linears; ++i)
    block_.linears[part.first_linear + i].add_bias(queue, stage[i].y);
}

void DecodePlan::run(Queue& queue, const RopeTables& rope, const TensorView& x, const KvView& kv,
                     std::uint32_t position) const {
  const runtime::Workspace::Scope scope(queue.workspace());
  BlockRun run = begin_forward(queue, spec_, plan_, rope, block_, x, kv, position);
  for (const Part& part : parts_) {
    if (part.fused) run_fused(queue, run, part);
    else run.forward({part.first, part.end}, linears_of(queue, runtime::Rounding::none, block_));
  }
}

}  // namespace apiq::model
