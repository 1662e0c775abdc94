// The two ways to compute attention's gradients, between ops::attention_bwd and its launchers.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::ops {

/// Checked by ops::attention_bwd.
struct AttentionBwdOperands {
  const runtime::TensorView &q, &k, &v, &out, &lse, &d_out, &d_q, &d_k, &d_v;
};

/// One result at a time, work-groups as many as there are tiles of rows and of keys. Scratch: f32 [heads,
/// tokens]. Kernel: cl/nn/attention_bwd_tiles.cl.
void attention_bwd_tiles(runtime::Queue& queue, const AttentionBwdOperands& operands);

}  // namespace apiq::ops
