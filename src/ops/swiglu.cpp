#include <type_traits>

#include "ops/nn.hpp"
#include "ops/nn_checks.hpp"
#include "shared/types.h"

#include "shared/swiglu_args.h"

namespace apiq::ops {

static_assert(sizeof(SwigluArgs) == 24 && std::is_trivial_v<SwigluArgs>);

namespace {

struct Named {
  std::string_view name;
  const TensorView& view;
};

/// All tensors of one call have gate's type and number of elements.
void expect_like_gate(std::string_view op, const TensorView& gate, std::initializer_list<Named> others) {
  for (const auto& other : others) {
    expect_dtype(op, other.name, other.view, gate.dtype);
    if (other.view.elements() != gate.elements())
      throw ShapeError("[" + std::string(op) + "] " + std::string(other.name) + ": expected as many elements as gate " + gate.shape.text() +
                       ", got " + other.view.shape.text());
  }
}

runtime::Range range_of(const runtime::Macros& tuned, std::uint64_t count) {
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG"));
  const std::size_t per_group = group * static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "ITEMS"));
  return {{(count + per_group - 1) / per_group * group, 1, 1}, {group, 1, 1}};
}

}  // namespace

void swiglu_fwd(Queue& queue, const TensorView& gate, const TensorView& up, const TensorView& z) {
  constexpr std::string_view op = "swiglu_fwd";
  const int half = half_macro(op, "gate", gate);
  expect_like_gate(op, gate, {{"up", up}, {"z", z}});
  const SwigluArgs args{.count = as_uint(op, "number of elements", gate.elements()),
                        .gate_offset = as_uint(op, "offset of gate", gate.offset),
                        .up_offset = as_uint(op, "offset of up", up.offset),
                        .z_offset = as_uint(op, "offset of z", z.offset),
                        .d_gate_offset = 0,
                        .d_up_offset = 0};
  const auto tuned = queue.tuned("swiglu");
  queue.launch("swiglu", op, runtime::Macros{{"HALF", half}} + tuned, range_of(tuned, gate.elements()), {runtime::Arg::value(args), gate, up, z});
}

void swiglu_bwd(Queue& queue, const TensorView& gate, const TensorView& up, const TensorView& dz, const TensorView& d_gate, const TensorView& d_up) {
  constexpr std::string_view op = "swiglu_bwd";
  const int half = half_macro(op, "gate", gate);
  expect_like_gate(op, gate, {{"up", up}, {"dz", dz}, {"d_gate", d_gate}, {"d_up", d_up}});
  const SwigluArgs args{.count = as_uint(op, "number of elements", gate.elements()),
                        .gate_offset = as_uint(op, "offset of gate", gate.offset),
                        .up_offset = as_uint(op, "offset of up", up.offset),
                        .z_offset = as_uint(op, "offset of dz", dz.offset),
                        .d_gate_offset = as_uint(op, "offset of d_gate", d_gate.offset),
                        .d_up_offset = as_uint(op, "offset of d_up", d_up.offset)};
  const auto tuned = queue.tuned("swiglu");
  queue.launch("swiglu", op, runtime::Macros{{"HALF", half}} + tuned, range_of(tuned, gate.elements()),
               {runtime::Arg::value(args), gate, up, dz, d_gate, d_up});
}

}  // namespace apiq::ops
