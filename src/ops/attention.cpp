// Attention: the tiled kernel where there are rows enough to fill tiles, else the one that gives each row its
// own work-groups.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "ops/attention_tile.hpp"
#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/attention_args.h"

namespace apiq::ops {

static_assert(sizeof(AttentionArgs) == 60 && std::is_trivial_v<AttentionArgs>);

namespace {

using runtime::Arg;
using runtime::Macros;
using runtime::value_of;
using runtime::operator+;

constexpr std::string_view kOp = "attention_fwd";

AttentionArgs checked_args(const TensorView& q, const TensorView& k, const TensorView& v,
                           const TensorView& out, const TensorView& lse) {
  check_rank(kOp, "q", q, 3);
  const std::uint64_t num_queries = q.shape[0], heads = q.shape[1], head_dim = q.shape[2],
                      num_keys = k.shape[0], kv_heads = k.shape[1];
  check_tensor(kOp, "k", k, q.dtype, {num_keys, kv_heads, head_dim});
  check_tensor(kOp, "v", v, q.dtype, k.shape);
  check_tensor(kOp, "out", out, q.dtype, q.shape);
  if (head_dim == 0 || kv_heads == 0 || heads % kv_heads != 0)
    throw ShapeError("[attention_fwd] " + std::to_string(heads) + " heads cannot share " +
                     std::to_string(kv_heads) + " key/value heads of " + std::to_string(head_dim) +
                     " elements");
  if (num_keys < num_queries)
    throw ShapeError("[attention_fwd] " + std::to_string(num_queries) +
                     " queries need at least as many keys, got " + std::to_string(num_keys));
  if (lse.memory != nullptr) check_tensor(kOp, "lse", lse, DType::f32, {heads, num_queries});
  count32(kOp, "number of queries times heads", num_queries * heads);
  return {.num_queries = count32(kOp, "num_queries", num_queries),
          .num_keys = count32(kOp, "num_keys", num_keys),
          .heads = count32(kOp, "heads", heads),
          .kv_heads = count32(kOp, "kv_heads", kv_heads),
          .keys_per_split = count32(kOp, "num_keys", num_keys),
          .splits = 1,
          .write_lse = lse.memory != nullptr ? 1u : 0u,
          .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim))),
          .q_offset = offset32(kOp, "q", q),
          .k_offset = offset32(kOp, "k", k),
          .v_offset = offset32(kOp, "v", v),
          .out_offset = offset32(kOp, "out", out),
          .lse_offset = offset32(kOp, "lse", lse),
          .partial_offset = 0,
          .stats_offset = 0};
}

void launch_tiles(Queue& queue, const AttentionArgs& args, const Macros& meaning, Macros tuned,
                  const TensorView& q, const TensorView& k, const TensorView& v, const TensorView& out,
                  const TensorView& lse) {
  shrink_tile(kOp, tuned, value_of(meaning, "HEAD_DIM"), 8, queue.device().info().local_bytes);
  const std::size_t group = tile_items(tuned);
  const std::uint64_t rows = std::uint64_t{args.num_queries} * (args.heads / args.kv_heads),
                      per_tile = own_elements(tuned);
  queue.launch("attention", "attention_fwd", meaning + tuned,
               {{(rows + per_tile - 1) / per_tile * group, args.kv_heads, 1}, {group, 1, 1}},
               {Arg::value(args), q, k, v, out, lse});
}

/// How many ranges to cut the keys into: enough work-groups to fill the device, none with less than
/// `min_keys` keys.
std::uint32_t choose_splits(Queue& queue, const AttentionArgs& args, std::uint32_t groups_per_unit,
                            std::uint32_t min_keys) {
  const std::uint64_t rows = std::uint64_t{args.num_queries} * args.heads;
  const std::uint64_t wanted = std::uint64_t{queue.device().info().compute_units} * groups_per_unit / rows;
  return static_cast<std::uint32_t>(
      std::max<std::uint64_t>(1, std::min<std::uint64_t>(wanted, args.num_keys / min_keys)));
}

void launch_decode(Queue& queue, AttentionArgs args, const Macros& meaning, const TensorView& q,
                   const TensorView& k, const TensorView& v, const TensorView& out, const TensorView& lse) {
  const auto tuned = queue.tuned("attention_decode");
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "LK") * value_of(tuned, "KS"));
  const std::uint64_t rows = std::uint64_t{args.num_queries} * args.heads, head_dim = q.shape[2];
  const auto wanted = choose_splits(queue, args, 4, 128);
  args.keys_per_split = (args.num_keys + wanted - 1) / wanted;
  args.splits = (args.num_keys + args.keys_per_split - 1) / args.keys_per_split;
  const runtime::Range range{{args.splits * group, rows, 1}, {group, 1, 1}};
  if (args.splits == 1) {
    queue.launch("attention_decode", "attention_decode", meaning + tuned, range,
                 {Arg::value(args), q, k, v, out, lse, Arg::none(), Arg::none()});
    return;
  }
  runtime::Workspace::Scope scope(queue.workspace());
  const auto partial = queue.workspace().allocate(DType::f32, {rows, args.splits, head_dim});
  const auto stats = queue.workspace().allocate(DType::f32, {rows, args.splits, 2});
  args.partial_offset = offset32(kOp, "partial sums", partial);
  args.stats_offset = offset32(kOp, "statistics", stats);
  queue.launch("attention_decode", "attention_decode", meaning + tuned, range,
               {Arg::value(args), q, k, v, out, lse, partial, stats});
  queue.launch("attention_decode", "attention_combine", meaning + tuned,
               {{rows * group, 1, 1}, {group, 1, 1}}, {Arg::value(args), partial, stats, out, lse});
}

}  // namespace

void attention_fwd(Queue& queue, const TensorView& q, const TensorView& k, const TensorView& v,
                   const TensorView& out, const TensorView& lse) {
  const bool half = check_half(kOp, "q", q);
  const AttentionArgs args = checked_args(q, k, v, out, lse);
  const Macros meaning{{"HEAD_DIM", static_cast<int>(q.shape[2])}, {"HALF", half}};
  const auto tuned = queue.tuned("attention");
  // A tile that is less than a quarter full costs more than it saves.
  const std::uint64_t rows_per_kv_head = std::uint64_t{args.num_queries} * (args.heads / args.kv_heads);
  const bool decode = rows_per_kv_head * 4 < own_elements(tuned);
  if (decode) {
    launch_decode(queue, args, meaning, q, k, v, out, lse);
  } else {
    launch_tiles(queue, args, meaning, tuned, q, k, v, out, lse);
  }
}

}  // namespace apiq::ops
