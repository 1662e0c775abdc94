#include "model/block_run.hpp"

#include <algorithm>

namespace apiq::model {

BlockRun::BlockRun(const BlockContext& context, const BlockPlan& plan, std::uint64_t rows)
    : context_(context), plan_(plan), rows_(rows), given_(plan.size()) {
  if (plan.bytes() != 0)
    scratch_ = context.queue.workspace().allocate(plan.dtype(), {plan.bytes() / size_of(plan.dtype())});
}

TensorView BlockRun::view(ValueId value) const {
  const ValueId memory = plan_.memory_of(value);
  const Shape shape{rows_, plan_.width(context_.spec, value)};
  if (TensorView view = given_[memory]; view.memory != nullptr) return view;
  const DType dtype = plan_.dtype_of(value);
  return {scratch_.memory,
          (scratch_.offset * size_of(scratch_.dtype) + plan_.offset(memory)) / size_of(dtype), dtype, shape};
}

void BlockRun::forward(StepRange steps, const LinearForward& linear) const {
  for (std::uint32_t i = steps.first; i < steps.end; ++i) {
    const Step& step = context_.spec.steps[i];
    const StepKindRow& row = row_of(step.kind);
    ForwardStep call{.step = step, .from = {}, .to = view(plan_.activation(step.to)), .statistics = {}};
    for (std::size_t k = 0; k < step.from.size(); ++k) call.from[k] = view(plan_.activation(step.from[k]));
    if (row.statistics && !plan_.backward().empty()) call.statistics = view(plan_.statistics(i));
    row.forward(context_, linear, call);
  }
}

void BlockRun::backward(const LinearBackward& linear) const {
  for (const BackwardAction& action : plan_.backward()) {
    const Step& step = context_.spec.steps[action.step];
    const StepKindRow& row = row_of(step.kind);
    BackwardStep call{.step = step,
                      .from = {},
                      .to = {},
                      .statistics = {},
                      .d_to = view(plan_.gradient(step.to)),
                      .d_from = {},
                      .accumulate = {}};
    if (row.keeps_to) call.to = view(plan_.activation(step.to));
    if (row.statistics) call.statistics = view(plan_.statistics(action.step));
    for (std::size_t i = 0; i < step.from.size(); ++i) {
      if (row.keeps_from >> i & 1) call.from[i] = view(plan_.activation(step.from[i]));
      if (action.wanted >> i & 1) call.d_from[i] = view(plan_.gradient(step.from[i]));
      call.accumulate[i] = (action.accumulates >> i & 1) != 0;
    }
    row.backward(context_, linear, call);
  }
}

namespace {

/// The attention step: what it reads as keys and values lies in the cache.
const Step& attention_of(const BlockSpec& spec) {
  return *std::find_if(spec.steps.begin(), spec.steps.end(),
                       [](const Step& step) { return step.kind == StepKind::attention; });
}

}  // namespace

BlockPlan forward_plan(const BlockSpec& spec, std::uint64_t tokens, DType dtype) {
  const Step& attention = attention_of(spec);
  return BlockPlan::in_place(spec, {attention.from[1], attention.from[2]}, tokens, dtype);
}

BlockRun begin_forward(Queue& queue, const BlockSpec& spec, const BlockPlan& plan, const RopeTables& rope,
                       const Block& block, const TensorView& x, const KvView& kv,
                       std::uint32_t first_position) {
  const std::uint64_t tokens = x.shape[0];
  BlockRun run({.queue = queue,
                .spec = spec,
                .rope = rope,
                .norms = block.norms,
                .biases = {},
                .tokens = tokens,
                .first_position = first_position,
                .cache = &kv},
               plan, tokens);
  const Step& attention = attention_of(spec);
  run.give(plan.activation(0), x);
  run.give(plan.activation(attention.from[1]), kv.k.rows(first_position, tokens));
  run.give(plan.activation(attention.from[2]), kv.v.rows(first_position, tokens));
  return run;
}

LinearForward linears_of(Queue& queue, runtime::Rounding rounding, const Block& block) {
  return [&queue, rounding, &block](std::uint32_t l, const TensorView& x, const TensorView& y) {
    block.linears[l].forward(queue, rounding, x, y);
  };
}

void block_forward(Queue& queue, runtime::Rounding rounding, const BlockSpec& spec, const BlockPlan& plan,
                   const RopeTables& rope, const Block& block, const TensorView& x, const KvView& kv,
                   std::uint32_t first_position) {
  const runtime::Workspace::Scope scope(queue.workspace());
  begin_forward(queue, spec, plan, rope, block, x, kv, first_position)
      .forward(linears_of(queue, rounding, block));
}

BlockPlan StageWay::plan(const BlockSpec& spec, std::uint64_t tokens) const {
  std::vector<SlotId> given;
  for (const std::optional<SlotId>& slot : {input, residual, next_input})
    if (slot) given.push_back(*slot);
  return BlockPlan::forward(spec, steps, given, tokens, DType::f32);
}

std::vector<StageWay> stage_ways(const BlockSpec& spec) {
  std::vector<StageWay> ways;
  const std::vector<StageCut> cuts = stage_cuts(spec);
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    StageWay way;
    way.steps = {i == 0 ? 0 : cuts[i - 1].step,
                 i < cuts.size() ? cuts[i].step : static_cast<std::uint32_t>(spec.steps.size())};
    const SlotId before = i == 0 ? 0 : cuts[i - 1].residual,
                 after = i < cuts.size() ? cuts[i].residual : spec.output();
    if (i != 0) way.input = cuts[i - 1].input;
    if (i < cuts.size()) way.next_input = cuts[i].input;
    if (after != before) way.next_residual = after;
    for (std::uint32_t step = way.steps.first; step < way.steps.end; ++step)
      for (const SlotId from : spec.steps[step].from)
        if (from == before) way.residual = before;
    ways.push_back(way);
  }
  return ways;
}

}  // namespace apiq::model
