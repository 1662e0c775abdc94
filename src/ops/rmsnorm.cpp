#include <type_traits>

#include "ops/nn.hpp"
#include "ops/nn_checks.hpp"
#include "shared/types.h"

#include "shared/rmsnorm_args.h"

namespace apiq::ops {

static_assert(sizeof(RmsnormArgs) == 28 && std::is_trivial_v<RmsnormArgs>);

namespace {

RmsnormArgs checked_args(std::string_view op, const TensorView& x, const TensorView& weight, float eps) {
  expect_rank(op, "x", x, 2);
  expect_shape(op, "weight", weight, {x.shape[1]});
  expect_dtype(op, "weight", weight, DType::f32);
  return {.num_tokens = as_uint(op, "num_tokens", x.shape[0]),
          .features = as_uint(op, "features", x.shape[1]),
          .eps = eps,
          .x_offset = as_uint(op, "offset of x", x.offset),
          .weight_offset = as_uint(op, "offset of weight", weight.offset),
          .dy_offset = 0,
          .y_offset = 0};
}

runtime::Range range_of(const runtime::Macros& tuned, std::uint64_t num_tokens) {
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG")), rows = static_cast<std::size_t>(value_of(tuned, "ROWS"));
  return {{(num_tokens + rows - 1) / rows * group, 1, 1}, {group, 1, 1}};
}

}  // namespace

void rmsnorm_fwd(Queue& queue, const TensorView& x, const TensorView& weight, float eps, const TensorView& y) {
  constexpr std::string_view op = "rmsnorm_fwd";
  const int half = half_macro(op, "x", x);
  expect_dtype(op, "y", y, x.dtype);
  expect_shape(op, "y", y, x.shape);
  RmsnormArgs args = checked_args(op, x, weight, eps);
  args.y_offset = as_uint(op, "offset of y", y.offset);
  const auto tuned = queue.tuned("rmsnorm");
  queue.launch("rmsnorm", op, runtime::Macros{{"HALF", half}} + tuned, range_of(tuned, x.shape[0]), {runtime::Arg::value(args), x, weight, y});
}

void rmsnorm_bwd(Queue& queue, const TensorView& x, const TensorView& weight, float eps, const TensorView& dy, const TensorView& dx) {
  constexpr std::string_view op = "rmsnorm_bwd";
  const int half = half_macro(op, "x", x);
  expect_dtype(op, "dy", dy, x.dtype);
  expect_shape(op, "dy", dy, x.shape);
  expect_dtype(op, "dx", dx, x.dtype);
  expect_shape(op, "dx", dx, x.shape);
  RmsnormArgs args = checked_args(op, x, weight, eps);
  args.dy_offset = as_uint(op, "offset of dy", dy.offset);
  args.y_offset = as_uint(op, "offset of dx", dx.offset);
  const auto tuned = queue.tuned("rmsnorm");
  queue.launch("rmsnorm", op, runtime::Macros{{"HALF", half}} + tuned, range_of(tuned, x.shape[0]), {runtime::Arg::value(args), x, weight, dy, dx});
}

}  // namespace apiq::ops
