#include "ops/qmatmul_parts.hpp"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;
using runtime::round_up;
using runtime::value_of;
using runtime::operator+;

namespace {

static_assert(sizeof(QmatmulInputArgs) == 12 * 4 && std::is_trivially_copyable_v<QmatmulInputArgs>);

/// What the mat-vec reads instead of x, in the workspace.
struct Prepared {
  TensorView x;       // f32 [tokens, padded_features]
  TensorView sums;    // f32 [tokens, groups]
  TensorView lora_t;  // f32 [tokens, rank], if there is LoRA
};

void gemv_input(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x,
                const Prepared& out) {
  const PackedLayout& layout = w.layout;
  QmatmulInputArgs a{};
  a.num_tokens = static_cast<std::uint32_t>(x.shape[0]);
  a.in_features = layout.in_features;
  a.padded_features = static_cast<std::uint32_t>(layout.chunks() * kChunk);
  a.group_size = layout.group_size;
  a.groups = static_cast<std::uint32_t>(layout.groups());
  a.rank = lora.rank;
  a.scaling = lora.scaling;
  a.x = offset32(kQmatmul, "x", x);
  a.out = offset32(kQmatmul, "padded_x", out.x);
  a.sums = offset32(kQmatmul, "sums", out.sums);
  a.lora_A = lora.rank != 0 ? offset32(kQmatmul, "lora_A", lora.A) : 0;
  a.lora_t = offset32(kQmatmul, "lora_t", out.lora_t);
  const Macros tuned = queue.tuned("gemv_input");
  const auto lanes = static_cast<std::size_t>(value_of(tuned, "LANES_K")),
             ranks = static_cast<std::size_t>(value_of(tuned, "R"));
  const Macros meaning{
      {"X_HALF", is_half(x)}, {"EXTRACT", value_of(queue.tuned("qgemv"), "EXTRACT")}, {"T", 1}};
  const std::size_t rank_items = round_up(std::size_t{lora.rank}, ranks) / ranks;
  queue.launch("gemv_input", "gemv_input", codec_macros(w) + meaning + tuned,
               {{round_up(layout.groups(), lanes) + rank_items * lanes, x.shape[0], 1}, {lanes, 1, 1}},
               {Arg::value(a), x, lora.A, out.x, out.sums, out.lora_t});
}

}  // namespace

void qgemv(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x,
           const TensorView& y) {
  const std::uint64_t tokens = x.shape[0];
  runtime::Workspace::Scope scope(queue.workspace());
  Prepared in;
  in.x = queue.workspace().allocate(DType::f32, {tokens, w.layout.chunks() * kChunk});
  in.sums = queue.workspace().allocate(DType::f32, {tokens, w.layout.groups()});
  if (lora.rank != 0) in.lora_t = queue.workspace().allocate(DType::f32, {tokens, lora.rank});
  gemv_input(queue, w, lora, x, in);

  QmatmulArgs a = qmatmul_args(w, lora, x, y);
  a.x = offset32(kQmatmul, "padded_x", in.x);
  a.x_sums = offset32(kQmatmul, "sums", in.sums);
  a.lora_t = offset32(kQmatmul, "lora_t", in.lora_t);
  const Macros tuned = queue.tuned("qgemv");
  const auto ls = static_cast<std::size_t>(value_of(tuned, "LS")),
             ks = static_cast<std::size_t>(value_of(tuned, "KS"));
  const auto rows = static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "RV"));
  const Macros meaning{{"ALIGNED", w.layout.group_size % kChunk == 0}, {"Y_HALF", is_half(y)}};
  queue.launch("qgemv", "qgemv", codec_macros(w) + meaning + tuned,
               {{round_up(a.padded_rows / rows, ls), ks, tokens}, {ls, ks, 1}},
               {Arg::value(a), w.qweight, w.scales, w.qzeros, in.x, in.sums, in.lora_t, lora.B_t, y});
}

}  // namespace apiq::ops
