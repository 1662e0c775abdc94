// Gradients of attention, by one of two kernels (tunable FORM: 1 here, 2 in attention_bwd_tiles.cpp). This
// one chooses the chunks of rows that work-groups take, each with its own sums of d_k and d_v, and adds those
// up.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "ops/attention_bwd_parts.hpp"
#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/attention_bwd_args.h"

namespace apiq::ops {

static_assert(sizeof(AttentionBwdArgs) == 56 && std::is_trivial_v<AttentionBwdArgs>);
static_assert(sizeof(AttentionBwdSumArgs) == 24 && std::is_trivial_v<AttentionBwdSumArgs>);

namespace {

using runtime::Arg;
using runtime::Macros;
using runtime::value_of;
using runtime::operator+;

constexpr std::string_view kOp = "attention_bwd";
constexpr int kTiles = 2;                    // value of the tunable FORM
constexpr std::uint64_t kGroupsPerUnit = 4;  // work-groups per compute unit that keep a device busy
constexpr std::uint64_t kScratchBytes = std::uint64_t{64} << 20;  // most the sums of several chunks may take

void check(const AttentionBwdOperands& t) {
  check_rank(kOp, "q", t.q, 3);
  check_rank(kOp, "k", t.k, 3);
  check_half(kOp, "q", t.q);
  const std::uint64_t tokens = t.q.shape[0], heads = t.q.shape[1], head_dim = t.q.shape[2],
                      kv_heads = t.k.shape[1];
  for (const auto& [name, view] : {std::pair{"out", &t.out}, {"d_out", &t.d_out}, {"d_q", &t.d_q}})
    check_tensor(kOp, name, *view, t.q.dtype, t.q.shape);
  for (const auto& [name, view] : {std::pair{"k", &t.k}, {"v", &t.v}, {"d_k", &t.d_k}, {"d_v", &t.d_v}})
    check_tensor(kOp, name, *view, t.q.dtype, {tokens, kv_heads, head_dim});
  check_tensor(kOp, "lse", t.lse, DType::f32, {heads, tokens});
  if (head_dim == 0 || kv_heads == 0 || heads % kv_heads != 0)
    throw ShapeError("[attention_bwd] " + std::to_string(heads) + " heads cannot share " +
                     std::to_string(kv_heads) + " key/value heads of " + std::to_string(head_dim) +
                     " elements");
  count32(kOp, "number of tokens times heads", tokens * heads);
}

AttentionBwdArgs arguments(const AttentionBwdOperands& t) {
  return {.num_tokens = count32(kOp, "num_tokens", t.q.shape[0]),
          .heads = count32(kOp, "heads", t.q.shape[1]),
          .kv_heads = count32(kOp, "kv_heads", t.k.shape[1]),
          .chunks = 1,
          .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(t.q.shape[2]))),
          .q_offset = offset32(kOp, "q", t.q),
          .k_offset = offset32(kOp, "k", t.k),
          .v_offset = offset32(kOp, "v", t.v),
          .out_offset = offset32(kOp, "out", t.out),
          .lse_offset = offset32(kOp, "lse", t.lse),
          .d_out_offset = offset32(kOp, "d_out", t.d_out),
          .d_q_offset = offset32(kOp, "d_q", t.d_q),
          .k_sums_offset = offset32(kOp, "d_k", t.d_k),
          .v_sums_offset = offset32(kOp, "d_v", t.d_v)};
}

/// Bytes of local memory of cl/nn/attention_bwd.cl for these tunables.
std::uint64_t tile_bytes(const Macros& tuned, int head_dim) {
  const int vw = value_of(tuned, "VW"), bk = value_of(tuned, "BK"), dc = value_of(tuned, "DC"),
            rows = vw * value_of(tuned, "RB");
  const int vector_dims = (head_dim + vw - 1) / vw * vw,
            kv_stride = std::max((head_dim + dc - 1) / dc * dc, vector_dims);
  return 4ull * static_cast<std::uint64_t>(2 * rows * (vector_dims + head_dim) + 2 * bk * (kv_stride + rows) +
                                           5 * rows);
}

/// Large heads do not leave room for the preset's tile: fewer rows then, fewer keys if that is not enough,
/// and narrower vectors at last.
void shrink_to_local_memory(Macros& tuned, int head_dim, std::uint64_t limit) {
  const int key_unit = std::lcm(value_of(tuned, "KC"), value_of(tuned, "KEYS"));
  for (const std::string_view name : {"RB", "BK", "VW"}) {
    int& value = std::find_if(tuned.begin(), tuned.end(), [&](const auto& macro) {
                   return macro.first == name;
                 })->second;
    const int smallest = name == "BK" ? key_unit : 1;
    while (tile_bytes(tuned, head_dim) > limit && value % (2 * smallest) == 0) value /= 2;
  }
  const std::uint64_t bytes = tile_bytes(tuned, head_dim);
  if (bytes > limit)
    throw Unsupported("[attention_bwd] head_dim " + std::to_string(head_dim) + " needs " +
                      std::to_string(bytes) + " bytes of local memory, the device has " +
                      std::to_string(limit) + "; choose another device");
}

/// Enough chunks of row tiles to fill the device with work-groups, while their sums fit into the scratch
/// memory.
std::uint64_t most_chunks(std::uint64_t compute_units, std::uint64_t kv_heads, std::uint64_t kv_elements) {
  const std::uint64_t wanted = (kGroupsPerUnit * compute_units + kv_heads - 1) / kv_heads,
                      room = kScratchBytes / (2 * sizeof(float) * kv_elements);
  return std::max<std::uint64_t>(1, std::min(wanted, room));
}

}  // namespace

std::uint64_t attention_bwd_scratch_bytes(std::uint64_t compute_units, std::uint64_t tokens,
                                          std::uint64_t heads, std::uint64_t kv_heads,
                                          std::uint64_t head_dim) {
  const std::uint64_t elements = tokens * kv_heads * head_dim,
                      chunks = elements == 0 ? 1 : most_chunks(compute_units, kv_heads, elements);
  return std::max(sizeof(float) * heads * tokens, chunks == 1 ? 0 : 2 * sizeof(float) * chunks * elements);
}

void attention_bwd(Queue& queue, const TensorView& q, const TensorView& k, const TensorView& v,
                   const TensorView& out, const TensorView& lse, const TensorView& d_out,
                   const TensorView& d_q, const TensorView& d_k, const TensorView& d_v) {
  const AttentionBwdOperands tensors{q, k, v, out, lse, d_out, d_q, d_k, d_v};
  check(tensors);
  if (q.elements() == 0) return;
  Macros tuned = queue.tuned("attention_bwd");
  if (value_of(tuned, "FORM") == kTiles) return attention_bwd_tiles(queue, tensors);
  AttentionBwdArgs args = arguments(tensors);
  const bool half = is_half(q);
  const int head_dim = static_cast<int>(q.shape[2]);
  shrink_to_local_memory(tuned, head_dim, queue.device().info().local_bytes);
  const Macros macros = Macros{{"HEAD_DIM", head_dim}, {"HALF", half}} + tuned;
  const auto vw = static_cast<std::uint64_t>(value_of(tuned, "VW")),
             tile_rows = static_cast<std::uint64_t>(value_of(tuned, "RB")) * vw;
  const std::uint64_t tiles =
      (std::uint64_t{args.num_tokens} * (args.heads / args.kv_heads) + tile_rows - 1) / tile_rows;

  args.chunks = static_cast<std::uint32_t>(
      std::min(tiles, most_chunks(queue.device().info().compute_units, args.kv_heads, k.elements())));
  const runtime::Range range{{args.chunks, args.kv_heads, 1}, {1, 1, 1}};
  if (args.chunks == 1 && !half) {
    queue.launch("attention_bwd", "attention_bwd", macros, range,
                 {Arg::value(args), q, k, v, out, lse, d_out, d_q, d_k, d_v});
    return;
  }
  runtime::Workspace::Scope scope(queue.workspace());
  const auto k_sums = queue.workspace().allocate(DType::f32, {args.chunks, k.elements()});
  const auto v_sums = queue.workspace().allocate(DType::f32, {args.chunks, k.elements()});
  args.k_sums_offset = offset32(kOp, "sums of d_k", k_sums);
  args.v_sums_offset = offset32(kOp, "sums of d_v", v_sums);
  queue.launch("attention_bwd", "attention_bwd", macros, range,
               {Arg::value(args), q, k, v, out, lse, d_out, d_q, k_sums, v_sums});
  const AttentionBwdSumArgs sum{.elements = count32(kOp, "elements of d_k", k.elements()),
                                .chunks = args.chunks,
                                .k_sums_offset = args.k_sums_offset,
                                .v_sums_offset = args.v_sums_offset,
                                .d_k_offset = offset32(kOp, "d_k", d_k),
                                .d_v_offset = offset32(kOp, "d_v", d_v)};
  const std::uint64_t per_item = vw * static_cast<std::uint64_t>(value_of(tuned, "SPAN"));
  queue.launch("attention_bwd", "attention_bwd_sum", macros,
               {{(sum.elements + per_item - 1) / per_item, 2, 1}, {1, 1, 1}},
               {Arg::value(sum), k_sums, v_sums, d_k, d_v});
}

}  // namespace apiq::ops
