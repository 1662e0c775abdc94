#include "model/block_memory.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "apiq/error.hpp"
#include "model/step_kinds.hpp"

namespace apiq::model {

namespace {

constexpr std::uint64_t kAlignment = 256;  // of the workspace
constexpr int kAlways = std::numeric_limits<int>::max();

/// Memory of `bytes` from one action to another, both included.
struct Interval {
  std::uint64_t bytes = 0;
  int first = 0, last = 0;
  std::uint64_t offset = 0;
  bool meets(const Interval& other) const { return first <= other.last && other.first <= last; }
};

/// Largest first, each at the lowest place that is free while it lives; the size of it all. Finding the least
/// is hard in general; for blocks this order gives the most that is alive at once, or little more.
std::uint64_t place(std::vector<Interval*> intervals) {
  std::stable_sort(intervals.begin(), intervals.end(),
                   [](const Interval* a, const Interval* b) { return a->bytes > b->bytes; });
  std::uint64_t bytes = 0;
  std::vector<const Interval*> placed;  // by offset
  for (Interval* interval : intervals) {
    std::uint64_t offset = 0;
    for (const Interval* other : placed)
      if (other->meets(*interval) && other->offset < offset + interval->bytes)
        offset = std::max(offset, other->offset + other->bytes);
    interval->offset = offset;
    bytes = std::max(bytes, offset + interval->bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), interval,
                         [](const Interval* a, const Interval* b) { return a->offset < b->offset; }),
        interval);
  }
  return bytes;
}

}  // namespace

std::vector<StageCut> stage_cuts(const BlockSpec& spec) {
  std::vector<StageCut> cuts;
  for (std::uint32_t i = 0; i < spec.steps.size(); ++i) {
    const Step& first = spec.steps[i];
    if (first.kind != StepKind::linear || cuts.size() == spec.stages.size() ||
        first.param != spec.stages[cuts.size()].first)
      continue;
    std::vector<bool> written(spec.slots.size()), residual(spec.slots.size());
    written[0] = true;
    for (std::uint32_t before = 0; before < i; ++before) written[spec.steps[before].to] = true;
    for (std::uint32_t after = i; after < spec.steps.size(); ++after)
      for (const SlotId from : spec.steps[after].from)
        if (written[from] && from != first.from[0]) residual[from] = true;
    const auto found = std::find(residual.begin(), residual.end(), true);
    if (std::count(residual.begin(), residual.end(), true) != 1)
      throw Unsupported("[block] stage " + std::to_string(cuts.size()) +
                        ": expected one residual stream beside the stage's input");
    cuts.push_back({i, first.from[0], static_cast<SlotId>(found - residual.begin())});
  }
  return cuts;
}

std::uint64_t BlockPlan::width(const BlockSpec& spec, ValueId value) const {
  return value >= 2 * slots_ ? spec.attention.heads : spec.slots[value % slots_].width;
}

/// First every action with the values it touches, then who shares memory with whom, then the places.
class BlockPlanner {
 public:
  BlockPlanner(const BlockSpec& spec, std::uint64_t rows, DType dtype) : spec_(spec), rows_(rows) {
    plan_.slots_ = static_cast<std::uint32_t>(spec.slots.size());
    plan_.dtype_ = dtype;
    const std::size_t values = 2 * spec.slots.size() + spec.steps.size();
    lives_.resize(values);
    given_.assign(values, false);
    begun_.assign(spec.slots.size(), false);
  }

  /// In the caller's memory, untouchable for others unless overwritten.
  void give(ValueId value, bool overwritten) {
    given_[value] = true;
    lives_[value].first = -1;
    lives_[value].last = overwritten ? -1 : kAlways;
  }
  void keep_to_the_end(ValueId value) { lives_[value].last = kAlways; }
  void give_gradient_of_output() { give(plan_.gradient(spec_.output()), true); }
  void keep_gradient_of_input() { keep_to_the_end(plan_.gradient(0)); }

  void forward(StepRange range, bool statistics) {
    plan_.steps_ = range;
    for (std::uint32_t step = range.first; step < range.end; ++step, ++now_) {
      const Step& s = spec_.steps[step];
      const StepKindRow& row = row_of(s.kind);
      for (std::size_t i = 0; i < s.from.size(); ++i) {
        touch(s.from[i]);
        if (row.in_place >> i & 1) sharings_.push_back({now_, s.to, s.from[i], row.always_in_place});
      }
      touch(s.to);
      if (statistics && row.statistics) touch(plan_.statistics(step));
    }
  }

  /// wanted: slots whose gradients are.
  void backward(std::uint32_t step, const std::vector<bool>& wanted) {
    const Step& s = spec_.steps[step];
    const StepKindRow& row = row_of(s.kind);
    BackwardAction action{.step = step};
    touch(plan_.gradient(s.to));
    if (row.keeps_to) touch(s.to);
    if (row.statistics) touch(plan_.statistics(step));
    for (std::size_t i = 0; i < s.from.size(); ++i) {
      if (row.keeps_from >> i & 1) touch(s.from[i]);
      if (!wanted[s.from[i]]) continue;
      action.wanted |= static_cast<std::uint8_t>(1 << i);
      if (begun_[s.from[i]]) action.accumulates |= static_cast<std::uint8_t>(1 << i);
      touch_gradient(row, s, i);
    }
    plan_.backward_.push_back(action);
    ++now_;
  }

  BlockPlan finish() {
    share();
    check_sums();
    assign();
    return std::move(plan_);
  }

 private:
  struct Sharing {
    int time = 0;
    ValueId taker = 0, giver = 0;
    bool same_value = false;  // both stay readable: neither is written again while the other is needed
  };

  void touch(ValueId value) {
    Interval& life = lives_[value];
    if (life.bytes == 0) {
      life.bytes = bytes_of(value);
      if (!given_[value]) life.first = now_;
    }
    life.last = std::max(life.last, now_);
  }

  std::uint64_t bytes_of(ValueId value) const {
    const std::uint64_t bytes = rows_ * plan_.width(spec_, value) * size_of(plan_.dtype_of(value));
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  void touch_gradient(const StepKindRow& row, const Step& step, std::size_t i) {
    const SlotId slot = step.from[i];
    const ValueId gradient = plan_.gradient(slot);
    touch(gradient);
    if (begun_[slot]) return;
    begun_[slot] = true;
    switch (row.gradients) {
      case GradientMemory::own: break;
      case GradientMemory::of_output:
        sharings_.push_back({now_, gradient, plan_.gradient(step.to), false});
        break;
      case GradientMemory::of_activation: sharings_.push_back({now_, gradient, slot, false}); break;
      case GradientMemory::shared:
        sharings_.push_back({now_, gradient, plan_.gradient(step.to), true});
        break;
    }
  }

  ValueId root(ValueId value) const {
    while (plan_.memory_[value] != value) value = plan_.memory_[value];
    return value;
  }

  /// In the order of time, so that what a value shares already is known when its own turn comes.
  void share() {
    own_lives_ = lives_;
    plan_.memory_.resize(lives_.size());
    std::iota(plan_.memory_.begin(), plan_.memory_.end(), 0u);
    std::vector<bool> taken(lives_.size());
    for (const Sharing& s : sharings_) {
      const ValueId taker = root(s.taker), giver = root(s.giver);
      if (taker == giver || (taken[s.taker] && !s.same_value)) continue;
      const bool dead = lives_[giver].last <= s.time;
      if ((!dead && !s.same_value) || (given_[taker] && given_[giver])) continue;
      taken[s.taker] = true;
      const ValueId into = given_[taker] ? taker : giver, other = into == taker ? giver : taker;
      lives_[into].first = std::min(lives_[into].first, lives_[other].first);
      lives_[into].last = std::max(lives_[into].last, lives_[other].last);
      plan_.memory_[other] = into;
    }
    for (ValueId value = 0; value < lives_.size(); ++value) plan_.memory_[value] = root(value);
  }

  /// Gradients that are one value in one memory part when a further term is added to one of them, or when a
  /// norm's is computed in place of its output's: by then nobody may need the others.
  void check_sums() const {
    int time = static_cast<int>(plan_.steps_.end - plan_.steps_.first);
    for (const BackwardAction& action : plan_.backward_) {
      const Step& step = spec_.steps[action.step];
      for (std::size_t i = 0; i < step.from.size(); ++i) {
        if (!(action.accumulates >> i & 1)) continue;
        check_sum(plan_.gradient(step.from[i]), time);
        if (row_of(step.kind).gradients == GradientMemory::of_output)
          check_sum(plan_.gradient(step.to), time);
      }
      ++time;
    }
  }
  void check_sum(ValueId sum, int time) const {
    for (SlotId slot = 0; slot < plan_.slots_; ++slot) {
      const ValueId other = plan_.gradient(slot);
      if (other != sum && plan_.memory_[other] == plan_.memory_[sum] && own_lives_[other].first < time &&
          own_lives_[other].last >= time)
        throw Unsupported("[block] the gradient of '" + std::string(spec_.slots[slot].name) +
                          "' is needed after others were added to it");
    }
  }

  void assign() {
    std::vector<Interval*> own;
    plan_.offsets_.assign(lives_.size(), 0);
    for (ValueId value = 0; value < lives_.size(); ++value)
      if (plan_.memory_[value] == value && lives_[value].bytes != 0 && !given_[value])
        own.push_back(&lives_[value]);
    plan_.bytes_ = place(own);
    for (ValueId value = 0; value < lives_.size(); ++value) plan_.offsets_[value] = lives_[value].offset;
  }

  const BlockSpec& spec_;
  std::uint64_t rows_;
  BlockPlan plan_;
  int now_ = 0;                              // the action that is being added
  std::vector<Interval> lives_, own_lives_;  // by value; of all that share its memory, and its own
  std::vector<bool> given_;
  std::vector<bool> begun_;  // by slot: some step has given a part of its gradient
  std::vector<Sharing> sharings_;
};

namespace {

/// Slots that depend on a linear, and therefore on what is trained; all of them if the input counts as well.
std::vector<bool> with_gradient(const BlockSpec& spec, bool input_gradient) {
  std::vector<bool> out(spec.slots.size());
  out[0] = input_gradient;
  for (const Step& step : spec.steps)
    out[step.to] = step.kind == StepKind::linear ||
                   std::any_of(step.from.begin(), step.from.end(), [&](SlotId from) { return out[from]; });
  return out;
}

StepRange all_steps(const BlockSpec& spec) { return {0, static_cast<std::uint32_t>(spec.steps.size())}; }

/// The list of steps backwards, but linears that share their input in their own order.
std::vector<std::uint32_t> backward_order(const BlockSpec& spec) {
  std::vector<std::uint32_t> order;
  for (auto end = static_cast<std::uint32_t>(spec.steps.size()); end != 0;) {
    std::uint32_t first = end - 1;
    const auto with_last = [&](const Step& step) {
      return step.kind == StepKind::linear && spec.steps[end - 1].kind == StepKind::linear &&
             step.from == spec.steps[end - 1].from;
    };
    while (first != 0 && with_last(spec.steps[first - 1])) --first;
    for (std::uint32_t step = first; step < end; ++step) order.push_back(step);
    end = first;
  }
  return order;
}

}  // namespace

BlockPlan BlockPlan::forward(const BlockSpec& spec, StepRange range, const std::vector<SlotId>& given,
                             std::uint64_t rows, DType dtype) {
  BlockPlanner planner(spec, rows, dtype);
  for (const SlotId slot : given) planner.give(slot, false);
  for (std::uint32_t step = range.end; step < spec.steps.size(); ++step)
    for (const SlotId from : spec.steps[step].from) planner.keep_to_the_end(from);
  planner.forward(range, false);
  return planner.finish();
}

BlockPlan BlockPlan::in_place(const BlockSpec& spec, const std::vector<SlotId>& given, std::uint64_t rows,
                              DType dtype) {
  BlockPlanner planner(spec, rows, dtype);
  planner.give(0, true);
  for (const SlotId slot : given) planner.give(slot, false);
  planner.forward(all_steps(spec), false);
  BlockPlan plan = planner.finish();
  if (plan.memory_of(spec.output()) != plan.memory_of(0))
    throw Unsupported(
        "[block] the output does not take the place of the input: the block is no residual one");
  return plan;
}

BlockPlan BlockPlan::training(const BlockSpec& spec, std::uint64_t rows, bool input_gradient) {
  BlockPlanner planner(spec, rows, DType::f32);
  planner.give(0, false);
  planner.give(spec.output(), false);
  planner.forward(all_steps(spec), true);
  const std::vector<bool> wanted = with_gradient(spec, input_gradient);
  planner.give_gradient_of_output();
  for (const std::uint32_t step : backward_order(spec))
    if (wanted[spec.steps[step].to]) planner.backward(step, wanted);
  if (input_gradient) planner.keep_gradient_of_input();
  return planner.finish();
}

}  // namespace apiq::model
