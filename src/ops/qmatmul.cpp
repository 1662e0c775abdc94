#include "ops/qmatmul.hpp"

#include <limits>
#include <string>

#include "apiq/error.hpp"
#include "ops/qmatmul_parts.hpp"

namespace apiq::ops {
namespace {

static_assert(sizeof(QmatmulArgs) == 15 * 4 && std::is_trivially_copyable_v<QmatmulArgs>);

[[noreturn]] void refuse(const std::string& what, const std::string& expected, const TensorView& found) {
  throw ShapeError("[qmatmul] " + what + ": expected " + expected + ", got " + std::string(name_of(found.dtype)) + " " + found.shape.text());
}

void expect(const std::string& what, const TensorView& view, DType dtype, const Shape& shape) {
  if (view.dtype != dtype || view.shape != shape) refuse(what, std::string(name_of(dtype)) + " " + shape.text(), view);
}

void expect_activations(const std::string& what, const TensorView& view, std::uint64_t columns) {
  const bool floats = view.dtype == DType::f32 || view.dtype == DType::f16;
  if (!floats || view.shape.rank() != 2 || view.shape[1] != columns) refuse(what, "f32 or f16 [num_tokens, " + std::to_string(columns) + "]", view);
}

void expect_lora(const PackedLayout& layout, const LoraView& lora) {
  if (lora.rank == 0) return;
  expect("lora_A", lora.A, DType::f16, {lora.rank, layout.in_features});
  expect("lora_B transposed", lora.B_t, DType::f16, {lora.rank, layout.row_blocks() * kRowBlock});
}

}  // namespace

std::uint32_t offset32(const TensorView& view) {
  if (view.offset > std::numeric_limits<std::uint32_t>::max())
    throw Unsupported("[ops] a tensor starts at element " + std::to_string(view.offset) +
                      " of its buffer; kernels address the first 2^32: use a buffer of its own");
  return static_cast<std::uint32_t>(view.offset);
}

QmatmulArgs qmatmul_args(const PackedWeightView& w, const LoraView& lora, const TensorView& x, const TensorView& y) {
  const PackedLayout& l = w.layout;
  QmatmulArgs a{};
  a.out_features = l.out_features;
  a.padded_rows = static_cast<std::uint32_t>(l.row_blocks() * kRowBlock);
  a.group_size = l.group_size;
  a.groups = static_cast<std::uint32_t>(l.groups());
  a.chunks = static_cast<std::uint32_t>(l.chunks());
  a.num_tokens = static_cast<std::uint32_t>(x.shape[0]);
  a.rank = lora.rank;
  a.qweight = offset32(w.qweight);
  a.scales = offset32(w.scales);
  a.qzeros = offset32(w.qzeros);
  a.lora_B_t = lora.rank != 0 ? offset32(lora.B_t) : 0;
  a.y = offset32(y);
  return a;
}

void qmatmul(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x, const TensorView& y) {
  expect_packed("qmatmul", w);
  expect_activations("x", x, w.layout.in_features);
  expect_activations("y", y, w.layout.out_features);
  if (x.shape[0] != y.shape[0]) refuse("y", std::to_string(x.shape[0]) + " tokens as in x", y);
  expect_lora(w.layout, lora);
  if (x.shape[0] == 0) return;
  if (x.shape[0] == 1) return qgemv(queue, w, lora, x, y);
  qgemm(queue, w, lora, x, y);
}

}  // namespace apiq::ops
