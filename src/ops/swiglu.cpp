#include <type_traits>

#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/swiglu_args.h"

namespace apiq::ops {

using runtime::operator+;
using runtime::value_of;

static_assert(sizeof(SwigluArgs) == 24 && std::is_trivial_v<SwigluArgs>);

namespace {

runtime::Range range_of(const runtime::Macros& tuned, std::uint64_t count) {
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG"));
  const std::size_t per_group =
      group * static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "ITEMS"));
  return {{(count + per_group - 1) / per_group * group, 1, 1}, {group, 1, 1}};
}

}  // namespace

void swiglu_fwd(Queue& queue, const TensorView& gate, const TensorView& up, const TensorView& z) {
  constexpr std::string_view op = "swiglu_fwd";
  const bool half = check_half(op, "gate", gate);
  check_elements(op, "up", up, gate.dtype, gate.elements());
  check_elements(op, "z", z, gate.dtype, gate.elements());
  const SwigluArgs args{.count = count32(op, "number of elements", gate.elements()),
                        .gate_offset = offset32(op, "gate", gate),
                        .up_offset = offset32(op, "up", up),
                        .z_offset = offset32(op, "z", z),
                        .d_gate_offset = 0,
                        .d_up_offset = 0};
  const auto tuned = queue.tuned("swiglu");
  queue.launch("swiglu", op, runtime::Macros{{"HALF", half}} + tuned, range_of(tuned, gate.elements()),
               {runtime::Arg::value(args), gate, up, z});
}

void swiglu_bwd(Queue& queue, const TensorView& gate, const TensorView& up, const TensorView& dz,
                const TensorView& d_gate, const TensorView& d_up) {
  constexpr std::string_view op = "swiglu_bwd";
  const bool half = check_half(op, "gate", gate);
  check_elements(op, "up", up, gate.dtype, gate.elements());
  check_elements(op, "dz", dz, gate.dtype, gate.elements());
  check_elements(op, "d_gate", d_gate, gate.dtype, gate.elements());
  check_elements(op, "d_up", d_up, gate.dtype, gate.elements());
  const SwigluArgs args{.count = count32(op, "number of elements", gate.elements()),
                        .gate_offset = offset32(op, "gate", gate),
                        .up_offset = offset32(op, "up", up),
                        .z_offset = offset32(op, "dz", dz),
                        .d_gate_offset = offset32(op, "d_gate", d_gate),
                        .d_up_offset = offset32(op, "d_up", d_up)};
  const auto tuned = queue.tuned("swiglu");
  queue.launch("swiglu", op, runtime::Macros{{"HALF", half}} + tuned, range_of(tuned, gate.elements()),
               {runtime::Arg::value(args), gate, up, dz, d_gate, d_up});
}

}  // namespace apiq::ops
