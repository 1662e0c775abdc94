#include <string>

#include "ops/fast_path/fast_path.hpp"
#include "ops/qmatmul_parts.hpp"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;
using runtime::round_up;
using runtime::value_of;
using runtime::operator+;

namespace {

static_assert(sizeof(QmatmulBwdArgs) == 14 * 4 && std::is_trivially_copyable_v<QmatmulBwdArgs>);

constexpr std::string_view kOp = "qmatmul_bwd";

QmatmulBwdArgs bwd_args(const PackedWeightView& w, const LoraView& lora, const TensorView& dx) {
  const PackedLayout& l = w.layout;
  QmatmulBwdArgs a{};
  a.in_features = l.in_features;
  a.padded_rows = static_cast<std::uint32_t>(l.row_blocks() * kRowBlock);
  a.group_size = l.group_size;
  a.groups = static_cast<std::uint32_t>(l.groups());
  a.chunks = static_cast<std::uint32_t>(l.chunks());
  a.num_tokens = static_cast<std::uint32_t>(dx.shape[0]);
  a.rank = lora.rank;
  a.qweight = offset32(kOp, "qweight", w.qweight);
  a.scales = offset32(kOp, "scales", w.scales);
  a.qzeros = offset32(kOp, "qzeros", w.qzeros);
  a.lora_A = lora.rank != 0 ? offset32(kOp, "lora_A", lora.A) : 0;
  a.dx = offset32(kOp, "dx", dx);
  return a;
}

void qgemm_bwd(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& dy,
               const TensorView& dx) {
  const Macros tuned = queue.tuned("qgemm_bwd");
  const std::uint64_t block =
      choose_block(dy.shape[0], 8, static_cast<std::uint64_t>(value_of(tuned, "MAX_TOKENS")));
  const std::uint64_t blocks = (dy.shape[0] + block - 1) / block;
  runtime::Workspace::Scope scope(queue.workspace());
  const TensorView blocked_dy =
      queue.workspace().allocate(DType::f32, {blocks, w.layout.row_blocks() * kRowBlock, block});
  TensorView lora_t;
  token_blocks(queue, dy, block, blocked_dy);
  if (lora.rank != 0) {
    // dy B is the same product as x A^T, with B's columns as the rows of A.
    LoraView up = lora;
    up.A = lora.B_t;
    lora_t = queue.workspace().allocate(DType::f32, {blocks, lora.rank, block});
    lora_down(queue, up, dy, static_cast<std::uint32_t>(block), lora_t);
  }

  QmatmulBwdArgs a = bwd_args(w, lora, dx);
  a.dy = offset32(kOp, "blocked_dy", blocked_dy);
  a.lora_t = offset32(kOp, "lora_t", lora_t);
  const auto ls = static_cast<std::size_t>(value_of(tuned, "LS")),
             ks = static_cast<std::size_t>(value_of(tuned, "KS"));
  const auto features = static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "NV"));
  const Macros meaning{{"ALIGNED", w.layout.group_size % kChunk == 0},
                       {"TOKENS", static_cast<int>(block)},
                       {"Y_HALF", is_half(dx)}};
  queue.launch("qgemm_bwd", "qgemm_bwd", codec_macros(w) + meaning + tuned,
               {{a.chunks * kChunk / features, ks, blocks}, {ls, ks, 1}},
               {Arg::value(a), w.qweight, w.scales, w.qzeros, blocked_dy, lora_t, lora.A, dx});
}

}  // namespace

void qmatmul_bwd(Queue& queue, Rounding rounding, const PackedWeightView& w, const LoraView& lora,
                 const TensorView& dy, const TensorView& dx) {
  check_packed("qmatmul_bwd", w);
  check_activations(kOp, "dy", dy, w.layout.out_features);
  check_activations(kOp, "dx", dx, w.layout.in_features);
  if (dy.shape[0] != dx.shape[0]) refuse(kOp, "dx", std::to_string(dy.shape[0]) + " tokens as in dy", dx);
  check_lora(kOp, w.layout, lora);
  if (dy.shape[0] == 0) return;
  if (const FastPath* path = chosen_path(queue, rounding, ProductKind::packed_dx, dy.shape[0]))
    return path->run(queue, {.product = ProductKind::packed_dx,
                             .a = dy,
                             .b = {},
                             .c = dx,
                             .alpha = 1,
                             .beta = 0,
                             .a_stride = 0,
                             .w = w,
                             .lora = lora});
  qgemm_bwd(queue, w, lora, dy, dx);
}

}  // namespace apiq::ops
