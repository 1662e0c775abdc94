// Launchers of cl/nn/elementwise.cl and cl/nn/to_f32.cl, declared in ops/nn.hpp.
#include <type_traits>

#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/elementwise_args.h"

namespace apiq::ops {

using runtime::Macros;
using runtime::operator+;
using runtime::value_of;

namespace {

static_assert(sizeof(ElementwiseArgs) == 24 && std::is_trivial_v<ElementwiseArgs>);

runtime::Range range_of(const Macros& tuned, std::uint64_t elements) {
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG"));
  const std::size_t per_group =
      group * static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "ITEMS"));
  return {{(elements + per_group - 1) / per_group * group, 1, 1}, {group, 1, 1}};
}

void scaled_add_as(std::string_view op, Queue& queue, float alpha, const TensorView& a, float beta,
                   const TensorView& b, const TensorView& y) {
  const bool half = check_half(op, "a", a);
  check_elements(op, "b", b, a.dtype, a.elements());
  check_elements(op, "y", y, a.dtype, a.elements());
  const ElementwiseArgs args{count32(op, "number of elements", a.elements()),
                             offset32(op, "a", a),
                             offset32(op, "b", b),
                             offset32(op, "y", y),
                             alpha,
                             beta};
  const Macros tuned = queue.tuned("elementwise");
  queue.launch("elementwise", "scaled_add", Macros{{"HALF", half}} + tuned, range_of(tuned, a.elements()),
               {runtime::Arg::value(args), a, b, y});
}

}  // namespace

// Factors of 1 leave a + b to one rounding: exactly the sum.
void add(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& y) {
  scaled_add_as("add", queue, 1.0f, a, 1.0f, b, y);
}

void scaled_add(Queue& queue, float alpha, const TensorView& a, float beta, const TensorView& b,
                const TensorView& y) {
  scaled_add_as("scaled_add", queue, alpha, a, beta, b, y);
}

void add_bias(Queue& queue, const TensorView& bias, const TensorView& y) {
  constexpr std::string_view op = "add_bias";
  check_rank(op, "y", y, 2);
  const bool half = check_half(op, "y", y);
  check_tensor(op, "bias", bias, DType::f32, {y.shape[1]});
  if (y.elements() == 0) return;
  ElementwiseArgs args{};
  args.count = count32(op, "length of a row", y.shape[1]);
  args.a_offset = offset32(op, "bias", bias);
  args.y_offset = offset32(op, "y", y);
  const Macros tuned = queue.tuned("elementwise");
  runtime::Range range = range_of(tuned, y.shape[1]);
  range.global[1] = y.shape[0];
  queue.launch("elementwise", "add_bias", Macros{{"HALF", half}} + tuned, range,
               {runtime::Arg::value(args), bias, y});
}

void to_f32(Queue& queue, const TensorView& x, const TensorView& y) {
  check_elements("to_f32", "y", y, DType::f32, x.elements());
  if (x.dtype == DType::f32) {
    queue.copy(x, y);
    return;
  }
  if (x.dtype != DType::f16 && x.dtype != DType::bf16) refuse("to_f32", "x", "f16, bf16 or f32", x);
  ElementwiseArgs args{};
  args.count = count32("to_f32", "number of elements", x.elements());
  args.a_offset = offset32("to_f32", "x", x);
  args.y_offset = offset32("to_f32", "y", y);
  const Macros tuned = queue.tuned("to_f32");
  queue.launch("to_f32", "to_f32", Macros{{"BFLOAT", x.dtype == DType::bf16}} + tuned,
               range_of(tuned, x.elements()), {runtime::Arg::value(args), x, y});
}

}  // namespace apiq::ops
