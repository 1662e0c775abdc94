#include "ops/gemm_unit.hpp"

#include <algorithm>

#include "ops/unit_parts.hpp"

namespace apiq::ops {

namespace {

using runtime::Arg;
using runtime::Macros;
using runtime::operator+;

/// Whether its lines may be read 16 bytes at a time; operands whose lines are neighbours are never.
bool aligned(const UnitOperand& x) {
  const std::uint64_t in_16_bytes = is_half(x.view) ? 8 : 4;
  return !x.by_k || (x.view.offset % in_16_bytes == 0 && x.stride % in_16_bytes == 0);
}

UnitOperand by_k(const TensorView& view) { return {view, true, view.shape.rank() == 2 ? view.shape[1] : 0}; }
UnitOperand by_lines(const TensorView& view) {
  return {view, false, view.shape.rank() == 2 ? view.shape[1] : 0};
}

/// Steps of k per work-group: all of them unless c has so few tiles that most of the device would idle; a
/// part is long enough to be worth its second pass over c. The result depends on the device (its compute
/// units), not on time or order.
std::uint64_t split_depth(std::uint64_t K, std::uint64_t tiles, std::uint64_t compute_units) {
  constexpr std::uint64_t kShortest = 256;
  const std::uint64_t splits = std::min(compute_units / tiles, K / kShortest);
  return splits < 2 ? runtime::round_up(std::max<std::uint64_t>(K, 1), 32)
                    : runtime::round_up((K + splits - 1) / splits, 32);
}

/// The product of two tensors whose shapes are still to be compared.
void run(Queue& queue, const UnitMode& mode, std::string_view op, const UnitOperand& a, const UnitOperand& b,
         const TensorView& c, float alpha, float beta) {
  check_half(op, "a", a.view);
  check_half(op, "b", b.view);
  check_half(op, "c", c);
  check_rank(op, "a", a.view, 2);
  check_rank(op, "b", b.view, 2);
  const std::uint64_t M = a.view.shape[a.by_k ? 0 : 1], K = a.view.shape[a.by_k ? 1 : 0];
  const std::uint64_t N = b.view.shape[b.by_k ? 0 : 1], inner = b.view.shape[b.by_k ? 1 : 0];
  if (K != inner)
    refuse(op, "b", std::to_string(K) + " along the axis shared with a " + a.view.shape.text(), b.view);
  check_tensor(op, "c", c, c.dtype, {M, N});
  unit_product(queue, mode, op, a, b, K, c, alpha, beta);
}

}  // namespace

void unit_product(Queue& queue, const UnitMode& mode, std::string_view op, const UnitOperand& a,
                  const UnitOperand& b, std::uint64_t K, const TensorView& c, float alpha, float beta) {
  if (c.elements() == 0) return;
  UnitPlan plan = unit_plan(queue, "gemm_unit", mode, c.shape[0], c.shape[1]);
  const std::uint64_t split_K =
      split_depth(K, plan.row_tiles * plan.column_tiles, queue.device().info().compute_units);
  const std::uint64_t splits = std::max<std::uint64_t>((K + split_K - 1) / split_K, 1);
  runtime::Workspace::Scope scope(queue.workspace());
  const TensorView parts =
      splits > 1 ? queue.workspace().allocate(DType::f32, {splits * c.shape[0], c.shape[1]}) : c;
  UnitOutput out = unit_output(op, c, alpha, beta);
  if (splits > 1) {
    out = unit_output(op, parts, 1.0f, 0.0f);
    out.rows = count32(op, "M", c.shape[0]);
    plan.range.global[1] = splits;
  }
  const GemmUnitArgs args{count32(op, "K", K),
                          count32(op, "part of K", split_K),
                          offset32(op, "a", a.view),
                          count32(op, "stride of a", a.stride),
                          offset32(op, "b", b.view),
                          count32(op, "stride of b", b.stride),
                          count32(op, "row tiles", plan.row_tiles),
                          count32(op, "column tiles", plan.column_tiles),
                          out};
  const Macros meaning{{"A_BY_K", a.by_k},
                       {"B_BY_K", b.by_k},
                       {"A_HALF", is_half(a.view)},
                       {"B_HALF", is_half(b.view)},
                       {"INPUT_BF16", mode.input == runtime::InputType::bf16},
                       {"UNIT_LOADS", mode.loads},
                       {"ALIGNED", aligned(a) && aligned(b)}};
  queue.launch(plan.program, "gemm_unit", meaning + plan.tunables, plan.range,
               {Arg::value(args), a.view, b.view, parts});
  if (splits == 1) return;
  const UnitSumArgs sum{count32(op, "parts", splits), offset32(op, "parts", parts),
                        unit_output(op, c, alpha, beta)};
  const Macros tunables = queue.tuned("unit_sum");
  const auto ls = static_cast<std::size_t>(runtime::value_of(tunables, "LS"));
  queue.launch("unit_sum", "unit_sum", tunables, {{runtime::round_up(c.elements(), ls), 1, 1}, {ls, 1, 1}},
               {Arg::value(sum), parts, c});
}

void unit_matmul_nt(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b,
                    const TensorView& c, float alpha, float beta) {
  run(queue, mode, "unit_matmul_nt", by_k(a), by_k(b), c, alpha, beta);
}

void unit_matmul_nn(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b,
                    const TensorView& c, float alpha, float beta) {
  run(queue, mode, "unit_matmul_nn", by_k(a), by_lines(b), c, alpha, beta);
}

void unit_matmul_tn(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b,
                    const TensorView& c, float alpha, float beta) {
  run(queue, mode, "unit_matmul_tn", by_lines(a), by_lines(b), c, alpha, beta);
}

void unit_matmul_tn(Queue& queue, const UnitMode& mode, const Columns& a, const TensorView& b,
                    const TensorView& c, float alpha, float beta) {
  constexpr std::string_view op = "unit_matmul_tn";
  check_rank(op, "a", a.matrix, 2);
  offset32(op, "a", a.matrix);  // the slice ends inside the matrix, but its view does not say where
  if (a.begin > a.matrix.shape[1] || a.count > a.matrix.shape[1] - a.begin)
    refuse(op, "a", "columns " + std::to_string(a.begin) + " to " + std::to_string(a.begin + a.count),
           a.matrix);
  const TensorView slice{
      a.matrix.memory, a.matrix.offset + a.begin, a.matrix.dtype, {a.matrix.shape[0], a.count}};
  run(queue, mode, op, {slice, false, a.matrix.shape[1]}, by_lines(b), c, alpha, beta);
}

}  // namespace apiq::ops
