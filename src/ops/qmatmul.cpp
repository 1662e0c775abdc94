#include "ops/qmatmul.hpp"

#include <string>
#include <type_traits>

#include "ops/fast_path/fast_path.hpp"
#include "ops/qmatmul_parts.hpp"

namespace apiq::ops {

static_assert(sizeof(QmatmulArgs) == 15 * 4 && std::is_trivially_copyable_v<QmatmulArgs>);

void check_activations(std::string_view op, std::string_view name, const TensorView& view,
                       std::uint64_t columns) {
  const bool floats = view.dtype == DType::f32 || view.dtype == DType::f16;
  if (!floats || view.shape.rank() != 2 || view.shape[1] != columns)
    refuse(op, name, "f32 or f16 [num_tokens, " + std::to_string(columns) + "]", view);
}

void check_lora(std::string_view op, const PackedLayout& layout, const LoraView& lora) {
  if (lora.rank == 0) return;
  check_tensor(op, "lora_A", lora.A, DType::f16, {lora.rank, layout.in_features});
  check_tensor(op, "lora_B transposed", lora.B_t, DType::f16, {lora.rank, layout.row_blocks() * kRowBlock});
}

QmatmulArgs qmatmul_args(const PackedWeightView& w, const LoraView& lora, const TensorView& x,
                         const TensorView& y) {
  const PackedLayout& l = w.layout;
  QmatmulArgs a{};
  a.out_features = l.out_features;
  a.padded_rows = static_cast<std::uint32_t>(l.row_blocks() * kRowBlock);
  a.group_size = l.group_size;
  a.groups = static_cast<std::uint32_t>(l.groups());
  a.chunks = static_cast<std::uint32_t>(l.chunks());
  a.num_tokens = static_cast<std::uint32_t>(x.shape[0]);
  a.rank = lora.rank;
  a.qweight = offset32(kQmatmul, "qweight", w.qweight);
  a.scales = offset32(kQmatmul, "scales", w.scales);
  a.qzeros = offset32(kQmatmul, "qzeros", w.qzeros);
  a.lora_B_t = lora.rank != 0 ? offset32(kQmatmul, "lora_B transposed", lora.B_t) : 0;
  a.y = offset32(kQmatmul, "y", y);
  return a;
}

void qmatmul(Queue& queue, Rounding rounding, const PackedWeightView& w, const LoraView& lora,
             const TensorView& x, const TensorView& y) {
  check_packed("qmatmul", w);
  check_activations(kQmatmul, "x", x, w.layout.in_features);
  check_activations(kQmatmul, "y", y, w.layout.out_features);
  if (x.shape[0] != y.shape[0]) refuse(kQmatmul, "y", std::to_string(x.shape[0]) + " tokens as in x", y);
  check_lora(kQmatmul, w.layout, lora);
  if (x.shape[0] == 0) return;
  if (x.shape[0] == 1) return qgemv(queue, w, lora, x, y);
  if (const FastPath* path = chosen_path(queue, rounding, ProductKind::packed_forward, x.shape[0]))
    return path->run(queue, {.product = ProductKind::packed_forward,
                             .a = x,
                             .b = {},
                             .c = y,
                             .alpha = 1,
                             .beta = 0,
                             .a_stride = 0,
                             .w = w,
                             .lora = lora});
  qgemm(queue, w, lora, x, y);
}

}  // namespace apiq::ops
