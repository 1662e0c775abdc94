#include "ops/gemm.hpp"

#include <algorithm>
#include <type_traits>

#include "ops/checks.hpp"
#include "ops/fast_path/fast_path.hpp"
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
static_assert(sizeof(GemmBlockArgs) == 56 && std::is_trivially_copyable_v<GemmBlockArgs>);

constexpr std::string_view kOp = "gemm";

// Products in blocks (gemm_block). a passes through the last-level cache in stretches of this size while b's
// panels come and go.
constexpr std::uint64_t kStretchBytes = 8 << 20;
constexpr std::uint64_t kFewRows = 16;    // up to these a tile of half as many rows and two vectors is used
constexpr std::uint64_t kLeastRows = 64;  // of a block, as far as a has them
constexpr std::uint64_t kGroupsPerUnit = 2;  // work-items per core that make an even load
constexpr int kLeastGroup = 64;  // work-items of a staged group, at least, where the tunables have them
constexpr std::uint64_t kNarrowStride =
    64;  // a whose steps of k are this close together is read where it lies

/// A product in terms of its operands' storage: by_k means that k runs along the last axis. a may be columns
/// of a wider matrix, whose neighbouring rows are a_stride elements apart.
struct Product {
  TensorView a, b, c;
  bool a_by_k, b_by_k;
  std::uint64_t a_stride;
  std::uint64_t M, N, K;
  float alpha, beta;
};

/// A count or stride for the kernels.
APIQ_UINT narrow(std::uint64_t value, std::string_view what) { return count32(kOp, what, value); }

Product checked(const TensorView& a, bool a_by_k, const TensorView& b, bool b_by_k, const TensorView& c,
                float alpha, float beta, std::string_view op) {
  check_half(op, "a", a);
  check_half(op, "b", b);
  check_rank(op, "a", a, 2);
  check_rank(op, "b", b, 2);
  const std::uint64_t M = a.shape[a_by_k ? 0 : 1], K = a.shape[a_by_k ? 1 : 0], N = b.shape[b_by_k ? 0 : 1],
                      inner = b.shape[b_by_k ? 1 : 0];
  if (K != inner) refuse(op, "b", std::to_string(K) + " along the axis shared with a " + a.shape.text(), b);
  check_half(op, "c", c);
  check_tensor(op, "c", c, c.dtype, {M, N});
  count32(op, "M", M);
  count32(op, "N", N);
  count32(op, "K", K);
  return {a, b, c, a_by_k, b_by_k, a.shape[1], M, N, K, alpha, beta};
}

GemmArgs gemm_args(const Product& p) {
  return {narrow(p.M, "M"),
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
}

/// The CPU preset counts on 32 registers of 16 floats. With half of both (AVX2), half as many vectors of half
/// the width fit.
Macros fitted_registers(Queue& queue, std::string_view program) {
  Macros tunables = queue.tuned(program);
  if (queue.device().info().native_float_width != 8 || value_of(tunables, "VW") != 16) return tunables;
  for (auto& [name, value] : tunables)
    if (name == "VW" || name == "NV") value /= 2;
  return tunables;
}

/// As many rows at a time as there are, up to the tunable, in powers of two: every program costs compile
/// time.
Macros fitted_rows(Macros tunables, std::uint64_t rows) {
  for (auto& [name, value] : tunables)
    if (name == "MR")
      while (static_cast<std::uint64_t>(value / 2) >= rows) value /= 2;
  return tunables;
}

/// Few rows against a matrix whose k are contiguous: gemm_rows on CPUs, gemm_dot on GPUs; each has MAX_ROWS 0
/// where it is not used.
bool run_few_rows(Queue& queue, const Product& p) {
  if (!p.a_by_k || !p.b_by_k || p.K == 0) return false;
  const Macros rows = fitted_rows(fitted_registers(queue, "gemm_rows"), p.M),
               dot = fitted_rows(queue.tuned("gemm_dot"), p.M);
  const auto takes = [&](const Macros& tunables) {
    return p.M <= static_cast<std::uint64_t>(value_of(tunables, "MAX_ROWS"));
  };
  const auto parts = [](std::uint64_t count, int size) {
    return (count + static_cast<std::uint64_t>(size) - 1) / static_cast<std::uint64_t>(size);
  };
  const bool by_rows = takes(rows) && !is_half(p.a) && !is_half(p.c);
  if (by_rows) {
    queue.launch("gemm_rows", "gemm_rows", Macros{{"B_HALF", is_half(p.b)}, {"C_HALF", 0}} + rows,
                 {{parts(p.N, value_of(rows, "VW")), parts(p.M, value_of(rows, "MR")), 1}, {1, 1, 1}},
                 {Arg::value(gemm_args(p)), p.a, p.b, p.c});
  } else if (takes(dot)) {
    const std::size_t lx = value_of(dot, "LX"), ly = value_of(dot, "LY");
    queue.launch(
        "gemm_dot", "gemm_dot",
        Macros{{"A_HALF", is_half(p.a)}, {"B_HALF", is_half(p.b)}, {"C_HALF", is_half(p.c)}} + dot,
        {{parts(p.N, value_of(dot, "LY")) * lx, parts(p.M, value_of(dot, "MR")) * ly, 1}, {lx, ly, 1}},
        {Arg::value(gemm_args(p)), p.a, p.b, p.c});
  } else {
    return false;
  }
  return true;
}

/// Tiles that are not mostly padding for few rows: fewer rows an item, then fewer items. What a group then
/// has of b stays the same.
Macros fitted_staged(Macros tunables, std::uint64_t rows) {
  int mr = value_of(tunables, "MR"), ly = value_of(tunables, "LY"), nv = value_of(tunables, "NV");
  const int lx = value_of(tunables, "LX");
  const auto fits = [&] { return static_cast<std::uint64_t>(ly * mr / 2) >= rows; };
  while (mr % 8 == 0 && ly > 1 && fits()) mr /= 2, nv = 1;
  while (ly > 1 && lx * ly > kLeastGroup && fits()) ly /= 2;
  for (auto& [name, value] : tunables) {
    if (name == "MR") value = mr;
    if (name == "LY") value = ly;
    if (name == "NV") value = nv;
  }
  return tunables;
}

void run_staged(Queue& queue, const Product& p) {
  const Macros tunables = fitted_staged(queue.tuned("gemm"), p.M);
  const std::size_t lx = value_of(tunables, "LX"), ly = value_of(tunables, "LY");
  const std::size_t rows = ly * value_of(tunables, "MR"),
                    columns = lx * value_of(tunables, "NV") * value_of(tunables, "VW");
  const Macros meaning{{"A_BY_K", p.a_by_k},
                       {"B_BY_K", p.b_by_k},
                       {"A_HALF", is_half(p.a)},
                       {"B_HALF", is_half(p.b)},
                       {"C_HALF", is_half(p.c)}};
  queue.launch("gemm", "gemm", meaning + tunables,
               {{(p.N + columns - 1) / columns * lx, (p.M + rows - 1) / rows * ly, 1}, {lx, ly, 1}},
               {Arg::value(gemm_args(p)), p.a, p.b, p.c});
}

/// The register tile for a shape: few columns leave room for more rows, as long as there are enough
/// independent sums; few rows (a LoRA rank, a short prompt) get a tile that does not compute mostly padding.
/// A few tiles only: every program costs compile time.
Macros fitted_block(Macros tunables, const Product& p) {
  const auto width = static_cast<std::uint64_t>(value_of(tunables, "VW")),
             most = static_cast<std::uint64_t>(value_of(tunables, "NV"));
  const std::uint64_t vectors = (p.N + width - 1) / width,
                      used = std::min<std::uint64_t>(most, vectors <= 2      ? vectors
                                                           : p.M <= kFewRows ? 2
                                                                             : most);
  const int rows = value_of(tunables, "MR"), tiles = value_of(tunables, "TILES");
  const int taller = used * 2 <= most ? (p.M <= kFewRows ? static_cast<int>(kFewRows / 2) : 2 * rows) : rows;
  for (auto& [name, value] : tunables) {
    if (name == "NV") value = static_cast<int>(used);
    if (name == "MR") value = taller;
    if (name == "TILES") value = std::max(tiles * rows / taller, 1);
  }
  return tunables;
}

void run_blocks(Queue& queue, const Product& p, const Macros& tunables) {
  const std::uint64_t mr = value_of(tunables, "MR"), nr = value_of(tunables, "NV") * value_of(tunables, "VW"),
                      most_rows = mr * value_of(tunables, "TILES");
  const std::uint64_t panels = (p.N + nr - 1) / nr,
                      wanted = kGroupsPerUnit * std::max(queue.device().info().compute_units, 1u);
  // Enough blocks for every core to have some, but not so low that bringing b into the cache costs more than
  // the product.
  const std::uint64_t pieces = std::max((p.M + most_rows - 1) / most_rows, (wanted + panels - 1) / panels);
  const std::uint64_t block_rows = std::min(
      std::max(runtime::round_up((p.M + pieces - 1) / pieces, mr), runtime::round_up(kLeastRows, mr)),
      most_rows);
  const std::uint64_t blocks = (p.M + block_rows - 1) / block_rows;
  const std::uint64_t stretch =
      std::clamp<std::uint64_t>(kStretchBytes / (block_rows * p.K * sizeof(float)), 1, blocks);
  // a is read where it lies along k; across k it takes a cache line and maybe a page per step, which pays
  // only if done once.
  const bool direct = !is_half(p.a) && p.M >= mr && (p.a_by_k || panels == 1 || p.a_stride <= kNarrowStride);
  const GemmBlockArgs args{narrow(p.M, "M"),
                           narrow(p.N, "N"),
                           narrow(p.K, "K"),
                           offset32(kOp, "a", p.a),
                           narrow(p.a_stride, "stride of a"),
                           is_half(p.a) ? 1u : 0u,
                           offset32(kOp, "b", p.b),
                           narrow(p.b.shape[1], "stride of b"),
                           is_half(p.b) ? 1u : 0u,
                           offset32(kOp, "c", p.c),
                           narrow(p.N, "stride of c"),
                           narrow(block_rows, "rows of a block"),
                           p.alpha,
                           p.beta};
  const Macros meaning{
      {"A_BY_K", p.a_by_k}, {"B_BY_K", p.b_by_k}, {"A_DIRECT", direct}, {"C_HALF", is_half(p.c)}};
  queue.launch("gemm_block", "gemm_block", meaning + tunables,
               {{stretch, panels, (blocks + stretch - 1) / stretch}, {1, 1, 1}},
               {Arg::value(args), p.a, p.b, p.c});
}

/// By a path that has shown on this device that it is right and faster, if there is one.
bool run_fast(Queue& queue, Rounding rounding, const Product& p) {
  const auto form = !p.a_by_k  ? runtime::ProductKind::dense_tn
                    : p.b_by_k ? runtime::ProductKind::dense_nt
                               : runtime::ProductKind::dense_nn;
  const FastPath* path = chosen_path(queue, rounding, form, p.M);
  if (path == nullptr && !is_half(p.a) && !is_half(p.b) && !is_half(p.c)) {
    const std::string engine = gemm_engine(queue);
    if (engine == "clblast")
      clblast_gemm(queue, p.a, p.a_by_k, p.a_stride, p.b, p.b_by_k, p.c, p.K, p.alpha, p.beta);
    if (engine != "auto") return engine == "clblast";
    path = chosen_path(queue, Rounding::none, form, p.M);
  }
  if (path == nullptr) return false;
  path->run(queue, {.product = form,
                    .a = p.a,
                    .b = p.b,
                    .c = p.c,
                    .alpha = p.alpha,
                    .beta = p.beta,
                    .a_stride = p.a_stride,
                    .w = {},
                    .lora = {}});
  return true;
}

void run(Queue& queue, Rounding rounding, const Product& p) {
  if (p.M == 0 || p.N == 0 || (p.K != 0 && run_fast(queue, rounding, p))) return;
  if (run_few_rows(queue, p)) return;
  const Macros blocks = fitted_registers(queue, "gemm_block");
  const std::uint64_t min_rows = value_of(blocks, "MIN_ROWS");
  if (min_rows != 0 && p.M >= min_rows && p.K != 0) run_blocks(queue, p, fitted_block(blocks, p));
  else run_staged(queue, p);
}

}  // namespace

void matmul_nt(Queue& queue, Rounding rounding, const TensorView& a, const TensorView& b, const TensorView& c,
               float alpha, float beta) {
  run(queue, rounding, checked(a, true, b, true, c, alpha, beta, "matmul_nt"));
}

void matmul_nn(Queue& queue, Rounding rounding, const TensorView& a, const TensorView& b, const TensorView& c,
               float alpha, float beta) {
  run(queue, rounding, checked(a, true, b, false, c, alpha, beta, "matmul_nn"));
}

void matmul_tn(Queue& queue, Rounding rounding, const TensorView& a, const TensorView& b, const TensorView& c,
               float alpha, float beta) {
  run(queue, rounding, checked(a, false, b, false, c, alpha, beta, "matmul_tn"));
}

void matmul_tn(Queue& queue, Rounding rounding, const Columns& a, const TensorView& b, const TensorView& c,
               float alpha, float beta) {
  check_rank("matmul_tn", "a", a.matrix, 2);
  offset32("matmul_tn", "a", a.matrix);  // the slice ends inside the matrix, but its view does not say where
  if (a.begin > a.matrix.shape[1] || a.count > a.matrix.shape[1] - a.begin)
    refuse("matmul_tn", "a",
           "columns " + std::to_string(a.begin) + " to " + std::to_string(a.begin + a.count), a.matrix);
  const TensorView slice{
      a.matrix.memory, a.matrix.offset + a.begin, a.matrix.dtype, {a.matrix.shape[0], a.count}};
  Product product = checked(slice, false, b, false, c, alpha, beta, "matmul_tn");
  product.a_stride = a.matrix.shape[1];
  run(queue, rounding, product);
}

std::string gemm_engine(Queue& queue) {
  std::string engine = queue.device().environment().gemm;
  if (engine.empty()) engine = queue.device().tuning().choice("gemm.engine", "auto");
  if (engine != "own" && engine != "clblast" && engine != "auto")
    throw InvalidArgument(
        "[gemm] expected the engine 'own', 'clblast' or 'auto' (APIQ_GEMM or gemm.engine of the tuning "
        "file), got '" +
        engine + "'");
  return engine;
}

}  // namespace apiq::ops
