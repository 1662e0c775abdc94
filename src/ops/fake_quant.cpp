#include "ops/fake_quant.hpp"

#include <algorithm>
#include <type_traits>

#include "codec/codecs.hpp"
#include "ops/checks.hpp"
#include "shared/types.h"

#include "shared/fake_quant_args.h"

namespace apiq::ops {

using runtime::Arg;

namespace {

static_assert(sizeof(FakeQuantArgs) == 22 * 4 && std::is_trivially_copyable_v<FakeQuantArgs>);

constexpr std::string_view kProgram = "fake_quant";

void check_spec(std::string_view op, const QuantSpec& spec) {
  if (has_bits(kAffine, spec.bits)) return;
  throw InvalidArgument("[" + std::string(op) + "] bits: expected " + bits_text(kAffine) + ", got " +
                        std::to_string(spec.bits));
}

/// One launch: the grid's shape, the work split, and arguments filled as far as all kernels share them.
struct Call {
  Call(Queue& queue, std::string_view name, const TensorView& w, std::uint32_t group_size)
      : op(name), weight(w.shape), grid(grid_of(name, w, group_size)), macros(queue.tuned(kProgram)) {
    check_tensor(op, "w", w, DType::f32, weight);
    split(grid.elements(), group_size);
    args.w = offset32(op, "w", w);
  }

  /// Without the weight: kernels that only see one value per group.
  Call(Queue& queue, std::string_view name, const Shape& groups)
      : op(name), grid(groups), macros(queue.tuned(kProgram)) {
    split(grid.elements(), 1);
  }

  void set_spec(const QuantSpec& spec) {
    check_spec(op, spec);
    args.symmetric = spec.symmetric;
    args.clip = spec.clip;
    args.qmax = static_cast<float>((1u << spec.bits) - 1);
    args.half_range = static_cast<float>((1u << (spec.bits - 1)) - 1);
  }

  /// Offset of a per-group tensor after its check.
  std::uint32_t per_group(std::string_view name, const TensorView& view, DType dtype = DType::f32) const {
    check_tensor(op, name, view, dtype, grid);
    return offset32(op, name, view);
  }

  runtime::Range range() const {
    const auto wg = static_cast<std::size_t>(runtime::value_of(macros, "WG"));
    const std::size_t groups = (std::size_t{args.num_groups} + args.groups_per_wg - 1) / args.groups_per_wg;
    return {{groups * wg, 1, 1}, {wg, 1, 1}};
  }

  std::string_view op;
  Shape weight, grid;
  runtime::Macros macros;
  FakeQuantArgs args{};

 private:
  static Shape grid_of(std::string_view op, const TensorView& w, std::uint32_t group_size) {
    if (w.shape.rank() == 2 && group_size != 0 && w.shape[1] % group_size == 0)
      return {w.shape[0], w.shape[1] / group_size};
    throw ShapeError("[" + std::string(op) +
                     "] w: expected [out_features, in_features] with in_features a multiple of group_size " +
                     std::to_string(group_size) + ", got " + w.shape.text());
  }

  void split(std::uint64_t groups, std::uint32_t group_size) {
    const auto per_wg = static_cast<std::uint32_t>(runtime::value_of(macros, "WG_ELEMENTS"));
    args.num_groups = count32(op, "number of groups", groups);
    args.group_size = group_size;
    args.groups_per_wg = std::max(per_wg / group_size, 1u);
  }
};

}  // namespace

void group_range(Queue& queue, const TensorView& w, std::uint32_t group_size, const TensorView& xmin,
                 const TensorView& xmax) {
  Call call(queue, "group_range", w, group_size);
  call.args.xmin = call.per_group("xmin", xmin);
  call.args.xmax = call.per_group("xmax", xmax);
  queue.launch(kProgram, "group_range", call.macros, call.range(), {Arg::value(call.args), w, xmin, xmax});
}

void mse_range(Queue& queue, const QuantSpec& spec, const TensorView& w, const TensorView& xmin,
               const TensorView& xmax, const TensorView& upbound, const TensorView& lowbound) {
  Call call(queue, "mse_range", w, spec.group_size);
  call.set_spec(spec);
  call.args.xmin = call.per_group("xmin", xmin);
  call.args.xmax = call.per_group("xmax", xmax);
  call.args.upbound = call.per_group("upbound", upbound);
  call.args.lowbound = call.per_group("lowbound", lowbound);
  queue.launch(kProgram, "mse_range", call.macros, call.range(),
               {Arg::value(call.args), w, xmin, xmax, upbound, lowbound});
}

void quant_grid(Queue& queue, const QuantSpec& spec, const TensorView& xmin, const TensorView& xmax,
                const TensorView& upbound, const TensorView& lowbound, const TensorView& scale,
                const TensorView& zero) {
  Call call(queue, "quant_grid", xmin.shape);
  call.set_spec(spec);
  call.args.xmin = call.per_group("xmin", xmin);
  call.args.xmax = call.per_group("xmax", xmax);
  call.args.scale = call.per_group("scale", scale);
  call.args.zero = call.per_group("zero", zero);
  if (spec.clip) {
    call.args.upbound = call.per_group("upbound", upbound);
    call.args.lowbound = call.per_group("lowbound", lowbound);
  }
  queue.launch(kProgram, "quant_grid", call.macros, call.range(),
               {Arg::value(call.args), xmin, xmax, upbound, lowbound, scale, zero});
}

void fake_quant_fwd(Queue& queue, const QuantSpec& spec, const TensorView& w, const TensorView& scale,
                    const TensorView& zero, const TensorView& what) {
  Call call(queue, "fake_quant_fwd", w, spec.group_size);
  call.set_spec(spec);
  call.args.scale = call.per_group("scale", scale);
  call.args.zero = call.per_group("zero", zero);
  check_tensor(call.op, "what", what, DType::f32, call.weight);
  call.args.what = offset32(call.op, "what", what);
  queue.launch(kProgram, "fake_quant_fwd", call.macros, call.range(),
               {Arg::value(call.args), w, scale, zero, what});
}

void fake_quant_bwd(Queue& queue, const QuantSpec& spec, const TensorView& w, const TensorView& scale,
                    const TensorView& zero, const TensorView& xmin, const TensorView& xmax,
                    const TensorView& upbound, const TensorView& lowbound, const TensorView& d_what,
                    const TensorView& d_upbound, const TensorView& d_lowbound, const TensorView& d_w) {
  Call call(queue, "fake_quant_bwd", w, spec.group_size);
  call.set_spec(spec);
  call.args.d_upbound = call.per_group("d_upbound", d_upbound);
  call.args.d_lowbound = call.per_group("d_lowbound", d_lowbound);
  call.args.has_d_w = d_w.memory != nullptr;
  if (!spec.clip && !call.args.has_d_w) {  // nothing depends on the logits
    queue.fill_zero(d_upbound);
    queue.fill_zero(d_lowbound);
    return;
  }
  call.args.scale = call.per_group("scale", scale);
  call.args.zero = call.per_group("zero", zero);
  call.args.xmin = call.per_group("xmin", xmin);
  call.args.xmax = call.per_group("xmax", xmax);
  // Some drivers refuse null pointers: another tensor of the same size stands in for one that is not given.
  // Without clipping dL/ds counts as zero, whatever the logits are.
  const TensorView &up = spec.clip ? upbound : xmax, &low = spec.clip ? lowbound : xmin;
  call.args.upbound = call.per_group("upbound", up);
  call.args.lowbound = call.per_group("lowbound", low);
  check_tensor(call.op, "d_what", d_what, DType::f32, call.weight);
  call.args.what = offset32(call.op, "d_what", d_what);
  if (call.args.has_d_w) {
    check_tensor(call.op, "d_w", d_w, DType::f32, call.weight);
    call.args.d_w = offset32(call.op, "d_w", d_w);
  }
  queue.launch(kProgram, "fake_quant_bwd", call.macros, call.range(),
               {Arg::value(call.args), w, scale, zero, xmin, xmax, up, low, d_what, d_upbound, d_lowbound,
                call.args.has_d_w ? d_w : d_what});
}

void quantize_codes(Queue& queue, const QuantSpec& spec, const TensorView& w, const TensorView& scale,
                    const TensorView& zero, const TensorView& codes, const TensorView& scales,
                    const TensorView& zeros) {
  Call call(queue, "quantize_codes", w, spec.group_size);
  call.set_spec(spec);
  call.args.scale = call.per_group("scale", scale);
  call.args.zero = call.per_group("zero", zero);
  call.args.scales = call.per_group("scales", scales, DType::f16);
  call.args.zeros = call.per_group("zeros", zeros, DType::u8);
  check_tensor(call.op, "codes", codes, DType::u8, call.weight);
  call.args.codes = offset32(call.op, "codes", codes);
  queue.launch(kProgram, "quantize_codes", call.macros, call.range(),
               {Arg::value(call.args), w, scale, zero, codes, scales, zeros});
}

}  // namespace apiq::ops
