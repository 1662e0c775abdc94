#include <type_traits>

#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/rmsnorm_args.h"

namespace apiq::ops {

using runtime::operator+;
using runtime::value_of;

static_assert(sizeof(RmsnormArgs) == 28 && std::is_trivial_v<RmsnormArgs>);

namespace {

RmsnormArgs checked_args(std::string_view op, const TensorView& x, const TensorView& weight, float eps) {
  check_rank(op, "x", x, 2);
  check_tensor(op, "weight", weight, DType::f32, {x.shape[1]});
  return {.num_tokens = count32(op, "num_tokens", x.shape[0]),
          .features = count32(op, "features", x.shape[1]),
          .eps = eps,
          .x_offset = offset32(op, "x", x),
          .weight_offset = offset32(op, "weight", weight),
          .dy_offset = 0,
          .y_offset = 0};
}

runtime::Range range_of(const runtime::Macros& tuned, std::uint64_t num_tokens) {
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG")),
                    rows = static_cast<std::size_t>(value_of(tuned, "ROWS"));
  return {{(num_tokens + rows - 1) / rows * group, 1, 1}, {group, 1, 1}};
}

}  // namespace

void rmsnorm_fwd(Queue& queue, const TensorView& x, const TensorView& weight, float eps,
                 const TensorView& y) {
  constexpr std::string_view op = "rmsnorm_fwd";
  const bool half = check_half(op, "x", x);
  check_tensor(op, "y", y, x.dtype, x.shape);
  RmsnormArgs args = checked_args(op, x, weight, eps);
  args.y_offset = offset32(op, "y", y);
  const auto tuned = queue.tuned("rmsnorm");
  queue.launch("rmsnorm", op, runtime::Macros{{"HALF", half}} + tuned, range_of(tuned, x.shape[0]),
               {runtime::Arg::value(args), x, weight, y});
}

void rmsnorm_bwd(Queue& queue, const TensorView& x, const TensorView& weight, float eps, const TensorView& dy,
                 const TensorView& dx) {
  constexpr std::string_view op = "rmsnorm_bwd";
  const bool half = check_half(op, "x", x);
  check_tensor(op, "dy", dy, x.dtype, x.shape);
  check_tensor(op, "dx", dx, x.dtype, x.shape);
  RmsnormArgs args = checked_args(op, x, weight, eps);
  args.dy_offset = offset32(op, "dy", dy);
  args.y_offset = offset32(op, "dx", dx);
  const auto tuned = queue.tuned("rmsnorm");
  queue.launch("rmsnorm", op, runtime::Macros{{"HALF", half}} + tuned, range_of(tuned, x.shape[0]),
               {runtime::Arg::value(args), x, weight, dy, dx});
}

}  // namespace apiq::ops
