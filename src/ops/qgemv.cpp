#include "ops/qmatmul_parts.hpp"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;
using runtime::round_up;
using runtime::value_of;
using runtime::operator+;

namespace {

static_assert(sizeof(QmatmulInputArgs) == 8 * 4 && std::is_trivially_copyable_v<QmatmulInputArgs>);

void gemv_input(Queue& queue, const PackedLayout& layout, const TensorView& x, const TensorView& padded_x, const TensorView& sums) {
  QmatmulInputArgs a{};
  a.num_tokens = static_cast<std::uint32_t>(x.shape[0]);
  a.in_features = layout.in_features;
  a.padded_features = static_cast<std::uint32_t>(layout.chunks() * kChunk);
  a.group_size = layout.group_size;
  a.groups = static_cast<std::uint32_t>(layout.groups());
  a.x = offset32(kQmatmul, "x", x);
  a.out = offset32(kQmatmul, "padded_x", padded_x);
  a.sums = offset32(kQmatmul, "sums", sums);
  const Macros tuned = queue.tuned("gemv_input");
  const auto ls = static_cast<std::size_t>(value_of(tuned, "LS"));
  queue.launch(
      "gemv_input", "gemv_input",
      Macros{{"X_HALF", is_half(x)}, {"BITS", static_cast<int>(layout.bits)}, {"EXTRACT", value_of(queue.tuned("qgemv"), "EXTRACT")}, {"VW", 1}} +
          tuned,
      {{round_up(layout.groups(), ls), x.shape[0], 1}, {ls, 1, 1}}, {Arg::value(a), x, padded_x, sums});
}

}  // namespace

void qgemv(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x, const TensorView& y) {
  const std::uint64_t tokens = x.shape[0];
  runtime::Workspace::Scope scope(queue.workspace());
  const TensorView padded_x = queue.workspace().allocate(DType::f32, {tokens, w.layout.chunks() * kChunk});
  const TensorView sums = queue.workspace().allocate(DType::f32, {tokens, w.layout.groups()});
  TensorView lora_t;
  gemv_input(queue, w.layout, x, padded_x, sums);
  if (lora.rank != 0) {
    lora_t = queue.workspace().allocate(DType::f32, {tokens, lora.rank});
    lora_down(queue, lora, x, 1, lora_t);
  }

  QmatmulArgs a = qmatmul_args(w, lora, x, y);
  a.x = offset32(kQmatmul, "padded_x", padded_x);
  a.x_sums = offset32(kQmatmul, "sums", sums);
  a.lora_t = offset32(kQmatmul, "lora_t", lora_t);
  const Macros tuned = queue.tuned("qgemv");
  const auto ls = static_cast<std::size_t>(value_of(tuned, "LS")), ks = static_cast<std::size_t>(value_of(tuned, "KS"));
  const auto rows = static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "RV"));
  const Macros meaning{{"BITS", static_cast<int>(w.layout.bits)}, {"ALIGNED", w.layout.group_size % kChunk == 0}, {"Y_HALF", is_half(y)}};
  queue.launch("qgemv", "qgemv", meaning + tuned, {{round_up(a.padded_rows / rows, ls), ks, tokens}, {ls, ks, 1}},
               {Arg::value(a), w.qweight, w.scales, w.qzeros, padded_x, sums, lora_t, lora.B_t, y});
}

}  // namespace apiq::ops
