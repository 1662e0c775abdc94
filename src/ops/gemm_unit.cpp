#include "ops/gemm_unit.hpp"

#include <algorithm>
#include <type_traits>

#include "ops/unit_parts.hpp"

namespace apiq::ops {

namespace {

using runtime::Arg;
using runtime::Macros;
using runtime::operator+;

constexpr std::string_view kOp = "gemm_unit";

/// One operand: by_k means that k runs along its last axis; a may be columns of a wider matrix, neighbouring rows `stride` elements apart.
struct Operand {
  TensorView view;
  bool by_k;
  std::uint64_t stride;
};

struct Product {
  Operand a, b;
  TensorView c;
  std::uint64_t M, N, K;
  float alpha, beta;
};

Product checked(std::string_view op, const Operand& a, const Operand& b, const TensorView& c, float alpha, float beta) {
  check_half(op, "a", a.view);
  check_half(op, "b", b.view);
  check_half(op, "c", c);
  check_rank(op, "a", a.view, 2);
  check_rank(op, "b", b.view, 2);
  const std::uint64_t M = a.view.shape[a.by_k ? 0 : 1], K = a.view.shape[a.by_k ? 1 : 0];
  const std::uint64_t N = b.view.shape[b.by_k ? 0 : 1], inner = b.view.shape[b.by_k ? 1 : 0];
  if (K != inner) refuse(op, "b", std::to_string(K) + " along the axis shared with a " + a.view.shape.text(), b.view);
  check_tensor(op, "c", c, c.dtype, {M, N});
  return {a, b, c, M, N, K, alpha, beta};
}

/// Whether its lines may be read 16 bytes at a time; operands whose lines are neighbours are never.
bool aligned(const Operand& x) {
  const std::uint64_t in_16_bytes = is_half(x.view) ? 8 : 4;
  return !x.by_k || (x.view.offset % in_16_bytes == 0 && x.stride % in_16_bytes == 0);
}

void run(Queue& queue, const UnitMode& mode, const Product& p) {
  if (p.M == 0 || p.N == 0) return;
  const UnitPlan plan = unit_plan(queue, "gemm_unit", mode, p.M, p.N);
  const GemmUnitArgs args{count32(kOp, "K", p.K),
                          offset32(kOp, "a", p.a.view),
                          count32(kOp, "stride of a", p.a.stride),
                          offset32(kOp, "b", p.b.view),
                          count32(kOp, "stride of b", p.b.stride),
                          count32(kOp, "row tiles", plan.row_tiles),
                          count32(kOp, "column tiles", plan.column_tiles),
                          unit_output(kOp, p.c, p.alpha, p.beta)};
  const Macros meaning{{"A_BY_K", p.a.by_k},
                       {"B_BY_K", p.b.by_k},
                       {"A_HALF", is_half(p.a.view)},
                       {"B_HALF", is_half(p.b.view)},
                       {"INPUT_BF16", mode.input == runtime::InputType::bf16},
                       {"ALIGNED", aligned(p.a) && aligned(p.b)}};
  queue.launch(plan.program, "gemm_unit", meaning + plan.tunables, plan.range, {Arg::value(args), p.a.view, p.b.view, p.c});
}

Operand by_k(const TensorView& view) { return {view, true, view.shape.rank() == 2 ? view.shape[1] : 0}; }
Operand by_lines(const TensorView& view) { return {view, false, view.shape.rank() == 2 ? view.shape[1] : 0}; }

}  // namespace

void unit_matmul_nt(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b, const TensorView& c, float alpha, float beta) {
  run(queue, mode, checked("unit_matmul_nt", by_k(a), by_k(b), c, alpha, beta));
}

void unit_matmul_nn(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b, const TensorView& c, float alpha, float beta) {
  run(queue, mode, checked("unit_matmul_nn", by_k(a), by_lines(b), c, alpha, beta));
}

void unit_matmul_tn(Queue& queue, const UnitMode& mode, const TensorView& a, const TensorView& b, const TensorView& c, float alpha, float beta) {
  run(queue, mode, checked("unit_matmul_tn", by_lines(a), by_lines(b), c, alpha, beta));
}

void unit_matmul_tn(Queue& queue, const UnitMode& mode, const Columns& a, const TensorView& b, const TensorView& c, float alpha, float beta) {
  constexpr std::string_view op = "unit_matmul_tn";
  check_rank(op, "a", a.matrix, 2);
  offset32(op, "a", a.matrix);  // the slice ends inside the matrix, but its view does not say where
  if (a.begin > a.matrix.shape[1] || a.count > a.matrix.shape[1] - a.begin)
    refuse(op, "a", "columns " + std::to_string(a.begin) + " to " + std::to_string(a.begin + a.count), a.matrix);
  const TensorView slice{a.matrix.memory, a.matrix.offset + a.begin, a.matrix.dtype, {a.matrix.shape[0], a.count}};
  run(queue, mode, checked(op, {slice, false, a.matrix.shape[1]}, by_lines(b), c, alpha, beta));
}

}  // namespace apiq::ops
