#include "model/step_kinds.hpp"

#include "ops/nn.hpp"

namespace apiq::model {

namespace {

/// Rows as a norm or rope sees them: a norm of heads takes each head as a row.
TensorView rows_of(const TensorView& x, std::uint64_t width) {
  return x.reshaped({x.elements() / width, width});
}

TensorView heads_of(const BlockContext& c, const TensorView& x) {
  const std::uint64_t dim = c.spec.attention.head_dim;
  return x.reshaped({x.shape[0], x.shape[1] / dim, dim});
}

void norm_forward(const BlockContext& c, const LinearForward&, const ForwardStep& s) {
  const NormSpec& norm = c.spec.norms[s.step.param];
  ops::rmsnorm_fwd(c.queue, rows_of(s.from[0], norm.width), c.norms[s.step.param], norm.eps,
                   rows_of(s.to, norm.width));
}

/// Where other steps read the same input, the gradient is computed in place of the output's and then added.
void norm_backward(const BlockContext& c, const LinearBackward&, const BackwardStep& s) {
  const NormSpec& norm = c.spec.norms[s.step.param];
  const TensorView& dx = s.accumulate[0] ? s.d_to : s.d_from[0];
  ops::rmsnorm_bwd(c.queue, rows_of(s.from[0], norm.width), c.norms[s.step.param], norm.eps,
                   rows_of(s.d_to, norm.width), rows_of(dx, norm.width));
  if (s.accumulate[0]) ops::add(c.queue, s.d_from[0], s.d_to, s.d_from[0]);
}

void linear_forward(const BlockContext& c, const LinearForward& linear, const ForwardStep& s) {
  linear(s.step.param, s.from[0], s.to);
  if (!c.biases.empty() && !c.biases[s.step.param].empty())
    ops::add_bias(c.queue, c.biases[s.step.param], s.to);
}

void linear_backward(const BlockContext&, const LinearBackward& linear, const BackwardStep& s) {
  linear(s.step.param, s.from[0], s.d_to, s.d_from[0], s.accumulate[0]);
}

void rope_forward(const BlockContext& c, const LinearForward&, const ForwardStep& s) {
  for (std::uint64_t first = 0; first < s.to.shape[0]; first += c.tokens)
    ops::rope_fwd(c.queue, heads_of(c, s.to.rows(first, c.tokens)), c.rope.cos, c.rope.sin, c.first_position);
}

void rope_backward(const BlockContext& c, const LinearBackward&, const BackwardStep& s) {
  for (std::uint64_t first = 0; first < s.d_to.shape[0]; first += c.tokens)
    ops::rope_bwd(c.queue, heads_of(c, s.d_to.rows(first, c.tokens)), c.rope.cos, c.rope.sin,
                  c.first_position);
}

/// A sequence's part of what attention leaves for its backward.
TensorView statistics_of(const BlockContext& c, const TensorView& all, std::uint64_t first) {
  if (all.memory == nullptr) return {};
  return all.rows(first, c.tokens).reshaped({c.spec.attention.heads, c.tokens});
}

void attention_forward(const BlockContext& c, const LinearForward&, const ForwardStep& s) {
  if (c.cache != nullptr) {  // the rows' own keys and values are its last ones
    const std::uint64_t keys = c.first_position + c.tokens;
    ops::attention_fwd(c.queue, heads_of(c, s.from[0]), heads_of(c, c.cache->k.rows(0, keys)),
                       heads_of(c, c.cache->v.rows(0, keys)), heads_of(c, s.to), s.statistics);
    return;
  }
  for (std::uint64_t first = 0; first < s.to.shape[0]; first += c.tokens) {
    const auto of = [&](const TensorView& all) { return heads_of(c, all.rows(first, c.tokens)); };
    ops::attention_fwd(c.queue, of(s.from[0]), of(s.from[1]), of(s.from[2]), of(s.to),
                       statistics_of(c, s.statistics, first));
  }
}

void attention_backward(const BlockContext& c, const LinearBackward&, const BackwardStep& s) {
  for (std::uint64_t first = 0; first < s.d_to.shape[0]; first += c.tokens) {
    const auto of = [&](const TensorView& all) { return heads_of(c, all.rows(first, c.tokens)); };
    ops::attention_bwd(c.queue, of(s.from[0]), of(s.from[1]), of(s.from[2]), of(s.to),
                       statistics_of(c, s.statistics, first), of(s.d_to), of(s.d_from[0]), of(s.d_from[1]),
                       of(s.d_from[2]));
  }
}

void gate_forward(const BlockContext& c, const LinearForward&, const ForwardStep& s) {
  ops::swiglu_fwd(c.queue, s.from[0], s.from[1], s.to);
}

void gate_backward(const BlockContext& c, const LinearBackward&, const BackwardStep& s) {
  ops::swiglu_bwd(c.queue, s.from[0], s.from[1], s.d_to, s.d_from[0], s.d_from[1]);
}

void add_forward(const BlockContext& c, const LinearForward&, const ForwardStep& s) {
  ops::add(c.queue, s.from[0], s.from[1], s.to);
}

/// Both gradients are the output's; only one that other steps have begun is a sum.
void add_backward(const BlockContext& c, const LinearBackward&, const BackwardStep& s) {
  for (std::size_t i = 0; i < 2; ++i)
    if (s.accumulate[i]) ops::add(c.queue, s.d_from[i], s.d_to, s.d_from[i]);
}

constexpr std::uint8_t kFirst = 1, kSecond = 2, kThird = 4;

constexpr StepKindRow kRows[] = {
    {.kind = StepKind::norm,
     .forward = norm_forward,
     .backward = norm_backward,
     .keeps_from = kFirst,
     .in_place = kFirst,
     .gradients = GradientMemory::of_output},
    {.kind = StepKind::linear, .forward = linear_forward, .backward = linear_backward, .keeps_from = kFirst},
    {.kind = StepKind::rope,
     .forward = rope_forward,
     .backward = rope_backward,
     .in_place = kFirst,
     .always_in_place = true,
     .gradients = GradientMemory::shared},
    {.kind = StepKind::attention,
     .forward = attention_forward,
     .backward = attention_backward,
     .keeps_from = kFirst | kSecond | kThird,
     .keeps_to = true,
     .statistics = true},
    {.kind = StepKind::gate,
     .forward = gate_forward,
     .backward = gate_backward,
     .keeps_from = kFirst | kSecond,
     .in_place = kFirst | kSecond,
     .gradients = GradientMemory::of_activation},
    {.kind = StepKind::add,
     .forward = add_forward,
     .backward = add_backward,
     .in_place = kFirst | kSecond,
     .gradients = GradientMemory::shared},
};

}  // namespace

const StepKindRow& row_of(StepKind kind) { return kRows[static_cast<std::size_t>(kind)]; }

static_assert([] {
  for (std::size_t i = 0; i < std::size(kRows); ++i)
    if (kRows[i].kind != static_cast<StepKind>(i)) return false;
  return true;
}());

}  // namespace apiq::model
