// Gradients of attention in tiles, one result at a time: for devices that run many work-groups.
#include <cmath>
#include <type_traits>

#include "ops/attention_bwd_parts.hpp"
#include "ops/attention_tile.hpp"
#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/attention_bwd_args.h"

namespace apiq::ops {

static_assert(sizeof(AttentionBwdTilesArgs) == 60 && std::is_trivial_v<AttentionBwdTilesArgs>);

using runtime::Arg;
using runtime::Macros;
using runtime::operator+;

void attention_bwd_tiles(Queue& queue, const AttentionBwdOperands& t) {
  constexpr std::string_view op = "attention_bwd", program = "attention_bwd_tiles";
  const std::uint64_t tokens = t.q.shape[0], heads = t.q.shape[1], kv_heads = t.k.shape[1];
  const int head_dim = static_cast<int>(t.q.shape[2]);
  Macros tuned = queue.tuned(program);
  shrink_tile(op, tuned, head_dim, 20, queue.device().info().local_bytes);
  const Macros macros = Macros{{"HEAD_DIM", head_dim}, {"HALF", is_half(t.q)}} + tuned;
  const std::size_t group = tile_items(tuned);
  const std::uint64_t own = own_elements(tuned), rows = tokens * (heads / kv_heads);

  runtime::Workspace::Scope scope(queue.workspace());
  const TensorView delta = queue.workspace().allocate(DType::f32, {heads, tokens});
  AttentionBwdTilesArgs args{.num_tokens = count32(op, "num_tokens", tokens),
                             .heads = count32(op, "heads", heads),
                             .kv_heads = count32(op, "kv_heads", kv_heads),
                             .first_result = 1,
                             .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim))),
                             .q_offset = offset32(op, "q", t.q),
                             .k_offset = offset32(op, "k", t.k),
                             .v_offset = offset32(op, "v", t.v),
                             .out_offset = offset32(op, "out", t.out),
                             .lse_offset = offset32(op, "lse", t.lse),
                             .delta_offset = offset32(op, "delta", delta),
                             .d_out_offset = offset32(op, "d_out", t.d_out),
                             .d_q_offset = offset32(op, "d_q", t.d_q),
                             .d_k_offset = offset32(op, "d_k", t.d_k),
                             .d_v_offset = offset32(op, "d_v", t.d_v)};
  queue.launch(program, "attention_bwd_delta", macros,
               {{runtime::round_up(tokens * heads, group), 1, 1}, {group, 1, 1}},
               {Arg::value(args), t.out, t.d_out, delta});
  const auto launch = [&](std::uint64_t elements, std::size_t results) {
    queue.launch(program, program, macros,
                 {{(elements + own - 1) / own * group, kv_heads, results}, {group, 1, 1}},
                 {Arg::value(args), t.q, t.k, t.v, t.lse, delta, t.d_out, t.d_q, t.d_k, t.d_v});
  };
  launch(tokens, 2);  // d_k and d_v
  args.first_result = 0;
  launch(rows, 1);  // d_q, which may replace what the others were computed from
}

}  // namespace apiq::ops
