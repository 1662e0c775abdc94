#include "ops/gemm.hpp"

#include <algorithm>
#include <cstdlib>
#include <type_traits>

#include "ops/checks.hpp"
#include "ops/gemm_clblast.hpp"
#include "shared/types.h"

#include "shared/gemm_args.h"  // needs types.h before it

namespace apiq::ops {

namespace {

using runtime::Arg;
using runtime::Macros;
using runtime::operator+;
using runtime::value_of;

static_assert(sizeof(GemmArgs) == 44 && std::is_trivially_copyable_v<GemmArgs>);
static_assert(sizeof(GemmPackArgs) == 68 && std::is_trivially_copyable_v<GemmPackArgs>);
static_assert(sizeof(GemmPanelsArgs) == 48 && std::is_trivially_copyable_v<GemmPanelsArgs>);

/// Bound of each operand's panels in the workspace. Larger operands are packed and used in parts, which also keeps them in a CPU's
/// last-level cache; the parts cut M and N only, so sums do not change.
constexpr std::uint64_t kPanelBytes = 16 << 20;

constexpr std::string_view kOp = "gemm";

/// A product in terms of its operands' storage: by_k means that k runs along the last axis. a may be columns of a wider matrix, whose
/// neighbouring rows are a_stride elements apart.
struct Product {
  TensorView a, b, c;
  bool a_by_k, b_by_k;
  std::uint64_t a_stride;
  std::uint64_t M, N, K;
  float alpha, beta;
};

/// A count or stride for the kernels.
APIQ_UINT narrow(std::uint64_t value, std::string_view what) { return count32(kOp, what, value); }

Product checked(const TensorView& a, bool a_by_k, const TensorView& b, bool b_by_k, const TensorView& c, float alpha, float beta,
                std::string_view op) {
  check_half(op, "a", a);
  check_half(op, "b", b);
  check_rank(op, "a", a, 2);
  check_rank(op, "b", b, 2);
  const std::uint64_t M = a.shape[a_by_k ? 0 : 1], K = a.shape[a_by_k ? 1 : 0], N = b.shape[b_by_k ? 0 : 1], inner = b.shape[b_by_k ? 1 : 0];
  if (K != inner) refuse(op, "b", std::to_string(K) + " along the axis shared with a " + a.shape.text(), b);
  check_half(op, "c", c);
  check_tensor(op, "c", c, c.dtype, {M, N});
  count32(op, "M", M);
  count32(op, "N", N);
  count32(op, "K", K);
  return {a, b, c, a_by_k, b_by_k, a.shape[1], M, N, K, alpha, beta};
}

/// With few columns, wider register tiles would mostly compute padding.
Macros fitted(Macros tunables, std::uint64_t columns) {
  const auto width = static_cast<std::uint64_t>(value_of(tunables, "VW"));
  const std::uint64_t vectors = (columns + width - 1) / width;
  for (auto& [name, value] : tunables)
    if (name == "NV") value = static_cast<int>(std::min<std::uint64_t>(static_cast<std::uint64_t>(value), vectors));
  return tunables;
}

void run_staged(Queue& queue, const Product& p) {
  const Macros tunables = queue.tuned("gemm");
  const std::size_t lx = value_of(tunables, "LX"), ly = value_of(tunables, "LY");
  const std::size_t rows = ly * value_of(tunables, "MR"), columns = lx * value_of(tunables, "NV") * value_of(tunables, "VW");
  const GemmArgs args{narrow(p.M, "M"),
                      narrow(p.N, "N"),
                      narrow(p.K, "K"),
                      offset32(kOp, "a", p.a),
                      narrow(p.a_stride, "stride of a"),
                      offset32(kOp, "b", p.b),
                      narrow(p.b.shape[1], "stride of b"),
                      offset32(kOp, "c", p.c),
                      narrow(p.c.shape[1], "stride of c"),
                      p.alpha,
                      p.beta};
  const Macros meaning{{"A_BY_K", p.a_by_k}, {"B_BY_K", p.b_by_k}, {"A_HALF", is_half(p.a)}, {"B_HALF", is_half(p.b)}, {"C_HALF", is_half(p.c)}};
  queue.launch("gemm", "gemm", meaning + tunables, {{(p.N + columns - 1) / columns * lx, (p.M + rows - 1) / rows * ly, 1}, {lx, ly, 1}},
               {Arg::value(args), p.a, p.b, p.c});
}

/// `count` lines of an operand from `first` on, as the packing kernel reads them.
GemmPackOperand pack_operand(std::string_view name, const TensorView& view, bool by_k, std::uint64_t stride, std::uint64_t first, std::uint64_t count,
                             std::uint64_t panels, const TensorView& to) {
  return {offset32(kOp, name, view) + static_cast<APIQ_UINT>(first * (by_k ? stride : 1)),  // inside the view, whose end fits
          narrow(stride, "stride of an operand"),
          narrow(count, "lines"),
          narrow(panels, "panels"),
          static_cast<APIQ_UINT>(std::clamp<std::uint64_t>(panels / 8, 1, 8)),  // at least 8 shares where there are 8 panels
          offset32(kOp, "panels", to),
          by_k ? 0u : 1u,
          is_half(view) ? 1u : 0u};
}

/// Work-items that pack an operand.
std::size_t shares(const GemmPackOperand& x) { return (x.panels + x.panels_per_item - 1) / x.panels_per_item; }

/// How the packed path cuts one product up.
struct PackedPlan {
  Macros macros;
  std::uint64_t mr, nr, row_block;
  std::uint64_t row_part, column_part;  // rows of a and columns of b that are in panels at a time
  bool a_direct;                        // a is read where it lies
};

PackedPlan packed_plan(const Product& p, const Macros& tunables) {
  const std::uint64_t mr = value_of(tunables, "MR"), nr = value_of(tunables, "NV") * value_of(tunables, "VW");
  const auto part = [&](std::uint64_t extent, std::uint64_t tile) {
    return std::min(std::max<std::uint64_t>(kPanelBytes / (p.K * tile * sizeof(float)), 1) * tile, runtime::round_up(extent, tile));
  };
  // Lines along k stream well. Lines across k take a cache line per k, which pays only if each is used for one panel of b.
  const bool direct = !is_half(p.a) && (p.a_by_k || p.N <= nr);
  return {Macros{{"C_HALF", is_half(p.c)}, {"A_DIRECT", direct}} + tunables,
          mr,
          nr,
          static_cast<std::uint64_t>(value_of(tunables, "ROW_BLOCK")),
          direct ? p.M : part(p.M, mr),
          part(p.N, nr),
          direct};
}

/// The product of rows [row, row + rows) with columns [column, column + columns), b's panels and (unless direct) a's being packed.
void multiply_panels(Queue& queue, const Product& p, const PackedPlan& plan, std::uint64_t row, std::uint64_t rows, std::uint64_t column,
                     std::uint64_t columns, const TensorView& a_panels, const TensorView& b_panels) {
  const std::uint64_t tiles = (rows + plan.mr - 1) / plan.mr;
  const GemmPanelsArgs args{narrow(rows, "M"),
                            narrow(columns, "N"),
                            narrow(p.K, "K"),
                            narrow(tiles, "row tiles"),
                            plan.a_direct ? offset32(kOp, "a", p.a) : offset32(kOp, "panels", a_panels),
                            narrow(p.a_by_k ? p.a_stride : 1, "stride of a"),
                            narrow(p.a_by_k ? 1 : p.a_stride, "stride of a"),
                            offset32(kOp, "panels", b_panels),
                            offset32(kOp, "c", p.c) + static_cast<APIQ_UINT>(row * p.N + column),
                            narrow(p.N, "stride of c"),
                            p.alpha,
                            p.beta};
  queue.launch("gemm_packed", "gemm_panels", plan.macros,
               {{std::min(tiles, plan.row_block), (columns + plan.nr - 1) / plan.nr, (tiles + plan.row_block - 1) / plan.row_block}, {1, 1, 1}},
               {Arg::value(args), plan.a_direct ? p.a : a_panels, b_panels, p.c});
}

void run_packed(Queue& queue, const Product& p, const PackedPlan& plan) {
  runtime::Workspace::Scope scope(queue.workspace());
  // One view for both, so that the packing kernel gets one buffer: a's panels first.
  const std::uint64_t a_elements = plan.a_direct ? 0 : plan.row_part * p.K;
  const TensorView panels = queue.workspace().allocate(DType::f32, {a_elements + plan.column_part * p.K});
  const TensorView a_panels = panels.rows(0, a_elements), b_panels = panels.rows(a_elements, plan.column_part * p.K);
  for (std::uint64_t row = 0; row < p.M; row += plan.row_part) {
    for (std::uint64_t column = 0; column < p.N; column += plan.column_part) {
      const std::uint64_t rows = std::min(plan.row_part, p.M - row), columns = std::min(plan.column_part, p.N - column);
      const std::uint64_t a_now = plan.a_direct || column != 0 ? 0 : (rows + plan.mr - 1) / plan.mr, b_now = (columns + plan.nr - 1) / plan.nr;
      const GemmPackArgs pack{narrow(p.K, "K"), pack_operand("a", p.a, p.a_by_k, p.a_stride, row, rows, a_now, a_panels),
                              pack_operand("b", p.b, p.b_by_k, p.b.shape[1], column, columns, b_now, b_panels)};
      queue.launch("gemm_packed", "gemm_pack", plan.macros, {{shares(pack.a) + shares(pack.b), 1, 1}, {1, 1, 1}},
                   {Arg::value(pack), p.a, p.b, panels});
      multiply_panels(queue, p, plan, row, rows, column, columns, a_panels, b_panels);
    }
  }
}

void run(Queue& queue, const Product& p) {
  if (p.M == 0 || p.N == 0) return;
  const bool all_f32 = !is_half(p.a) && !is_half(p.b) && !is_half(p.c);
  if (all_f32 && p.K != 0 && gemm_engine(queue) == "clblast") {
    clblast_gemm(queue, p.a, p.a_by_k, p.a_stride, p.b, p.b_by_k, p.c, p.K, p.alpha, p.beta);
    return;
  }
  const Macros tunables = queue.tuned("gemm_packed");
  const std::uint64_t pack_rows = value_of(tunables, "PACK_ROWS");
  if (pack_rows != 0 && p.M >= pack_rows && p.K != 0) run_packed(queue, p, packed_plan(p, fitted(tunables, p.N)));
  else run_staged(queue, p);
}

}  // namespace

void matmul_nt(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& c, float alpha, float beta) {
  run(queue, checked(a, true, b, true, c, alpha, beta, "matmul_nt"));
}

void matmul_nn(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& c, float alpha, float beta) {
  run(queue, checked(a, true, b, false, c, alpha, beta, "matmul_nn"));
}

void matmul_tn(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& c, float alpha, float beta) {
  run(queue, checked(a, false, b, false, c, alpha, beta, "matmul_tn"));
}

void matmul_tn(Queue& queue, const Columns& a, const TensorView& b, const TensorView& c, float alpha, float beta) {
  check_rank("matmul_tn", "a", a.matrix, 2);
  offset32("matmul_tn", "a", a.matrix);  // the slice ends inside the matrix, but its view does not say where
  if (a.begin > a.matrix.shape[1] || a.count > a.matrix.shape[1] - a.begin)
    refuse("matmul_tn", "a", "columns " + std::to_string(a.begin) + " to " + std::to_string(a.begin + a.count), a.matrix);
  const TensorView slice{a.matrix.memory, a.matrix.offset + a.begin, a.matrix.dtype, {a.matrix.shape[0], a.count}};
  Product product = checked(slice, false, b, false, c, alpha, beta, "matmul_tn");
  product.a_stride = a.matrix.shape[1];
  run(queue, product);
}

std::uint64_t matmul_scratch_bytes(std::uint64_t M, std::uint64_t N, std::uint64_t K) {
  constexpr std::uint64_t kWidestTile = 64;  // lines that panels are padded to
  const auto panels = [&](std::uint64_t lines) {
    const std::uint64_t line = K * sizeof(float);
    return std::min(std::max(kPanelBytes, kWidestTile * line), runtime::round_up(lines, kWidestTile) * line);
  };
  return panels(M) + panels(N);
}

std::string gemm_engine(Queue& queue) {
  std::string engine;
  if (const char* forced = std::getenv("APIQ_GEMM"); forced != nullptr && *forced != '\0') engine = forced;
  else engine = queue.device().tuning().choice("gemm.engine", "own");
  if (engine != "own" && engine != "clblast")
    throw InvalidArgument("[gemm] expected the engine 'own' or 'clblast' (APIQ_GEMM or gemm.engine of the tuning file), got '" + engine + "'");
  return engine;
}

}  // namespace apiq::ops
