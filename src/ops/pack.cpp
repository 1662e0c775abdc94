// Launchers of cl/quant/pack.cl: between row-major codes and the packed layout.
#include <string_view>
#include <type_traits>

#include "ops/packed_buffers.hpp"
#include "ops/qmatmul_parts.hpp"
#include "shared/types.h"

#include "shared/pack_args.h"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;
using runtime::Range;
using runtime::round_up;
using runtime::value_of;
using runtime::operator+;

namespace {

static_assert(sizeof(PackArgs) == 12 * 4 && std::is_trivially_copyable_v<PackArgs>);

PackArgs pack_args(std::string_view op, const PackedWeightView& w) {
  PackArgs a{};
  a.out_features = w.layout.out_features;
  a.in_features = w.layout.in_features;
  a.group_size = w.layout.group_size;
  a.groups = static_cast<std::uint32_t>(w.layout.groups());
  a.chunks = static_cast<std::uint32_t>(w.layout.chunks());
  a.qweight = offset32(op, "qweight", w.qweight);
  a.scales = offset32(op, "scales", w.scales);
  a.qzeros = offset32(op, "qzeros", w.qzeros);
  return a;
}

// Launches one of the program's kernels over items x columns.
void run(Queue& queue, std::string_view entry, const PackedWeightView& w, bool out_half, std::uint64_t items,
         std::uint64_t columns, std::initializer_list<Arg> args) {
  const Macros tuned = queue.tuned("pack");
  const auto ls = static_cast<std::size_t>(value_of(tuned, "LS"));
  queue.launch("pack", entry, codec_macros(w) + Macros{{"OUT_HALF", out_half}, {"VW", 1}} + tuned,
               Range{{round_up(items, ls), columns, 1}, {ls, 1, 1}}, args);
}

}  // namespace

void check_packed(const char* op, const PackedWeightView& w) {
  check_layout(w.layout, op);
  const std::vector<Plane> planes = w.layout.codec->planes(w.layout);
  const std::vector<TensorView> views = planes_of(w);
  for (std::size_t i = 0; i < planes.size(); ++i)
    check_elements(op, planes[i].name, views[i], planes[i].dtype, planes[i].shape.elements());
}

void pack(Queue& queue, const TensorView& codes, const TensorView& scales, const TensorView& zeros,
          const PackedWeightView& w) {
  check_packed("pack", w);
  const PackedLayout& l = w.layout;
  check_elements("pack", "codes", codes, DType::u8,
                 static_cast<std::uint64_t>(l.out_features) * l.in_features);
  check_elements("pack", "scales", scales, DType::f16, l.out_features * l.groups());
  check_elements("pack", "zeros", zeros, DType::u8, l.out_features * l.groups());
  PackArgs a = pack_args("pack", w);
  a.codes = offset32("pack", "codes", codes);
  a.plain_scales = offset32("pack", "scales", scales);
  a.plain_zeros = offset32("pack", "zeros", zeros);
  const std::uint64_t rows = l.row_blocks() * kRowBlock;
  run(queue, "pack_codes", w, false, rows, l.chunks(), {Arg::value(a), codes, w.qweight});
  run(queue, "pack_scales", w, false, rows, l.groups(), {Arg::value(a), scales, w.scales});
  run(queue, "pack_zeros", w, false, l.row_blocks() * l.bits, l.groups(), {Arg::value(a), zeros, w.qzeros});
}

void pack_lora_B(Queue& queue, const TensorView& lora_B, const PackedLayout& layout, const TensorView& B_t) {
  const std::uint64_t padded = layout.row_blocks() * kRowBlock;
  check_rank("pack_lora_B", "lora_B", lora_B, 2);
  const std::uint64_t rank = lora_B.shape[1];
  check_tensor("pack_lora_B", "lora_B", lora_B, DType::f16, {layout.out_features, rank});
  check_tensor("pack_lora_B", "lora_B transposed", B_t, DType::f16, {rank, padded});
  PackArgs a{};
  a.out_features = layout.out_features;
  a.in_features = count32("pack_lora_B", "rank", rank);
  a.groups = count32("pack_lora_B", "padded rows", padded);
  a.plain_scales = offset32("pack_lora_B", "lora_B", lora_B);
  a.scales = offset32("pack_lora_B", "lora_B transposed", B_t);
  run(queue, "pack_lora_B", {layout, {}, {}, {}}, false, padded, rank, {Arg::value(a), lora_B, B_t});
}

void unpack_codes(Queue& queue, const PackedWeightView& w, const TensorView& codes) {
  check_packed("unpack_codes", w);
  check_elements("unpack_codes", "codes", codes, DType::u8,
                 static_cast<std::uint64_t>(w.layout.out_features) * w.layout.in_features);
  PackArgs a = pack_args("unpack_codes", w);
  a.codes = offset32("unpack_codes", "codes", codes);
  run(queue, "unpack_codes", w, false, w.layout.out_features, w.layout.chunks(),
      {Arg::value(a), w.qweight, codes});
}

void dequantize(Queue& queue, const PackedWeightView& w, const TensorView& out) {
  check_packed("dequantize", w);
  const bool half = check_half("dequantize", "out", out);
  check_elements("dequantize", "out", out, out.dtype,
                 static_cast<std::uint64_t>(w.layout.out_features) * w.layout.in_features);
  PackArgs a = pack_args("dequantize", w);
  a.out = offset32("dequantize", "out", out);
  run(queue, "dequantize", w, half, w.layout.out_features, w.layout.chunks(),
      {Arg::value(a), w.qweight, w.scales, w.qzeros, out});
}

}  // namespace apiq::ops
