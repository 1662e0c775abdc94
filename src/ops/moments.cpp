#include "ops/moments.hpp"

#include <type_traits>

#include "ops/checks.hpp"
#include "shared/types.h"

#include "shared/moments_args.h"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;

namespace {

static_assert(sizeof(MomentsArgs) == 24 && std::is_trivially_copyable_v<MomentsArgs>);

void launch(Queue& queue, std::string_view entry, std::size_t groups, std::initializer_list<Arg> args) {
  const Macros macros = queue.tuned("moments");
  const auto wg = static_cast<std::size_t>(runtime::value_of(macros, "WG"));
  queue.launch("moments", entry, macros, {{groups * wg, 1, 1}, {wg, 1, 1}}, args);
}

}  // namespace

void damp(Queue& queue, const TensorView& moments, float share) {
  const bool whole = moments.shape.rank() == 2;
  if (moments.dtype != DType::f32 || (!whole && moments.shape.rank() != 1) ||
      (whole && moments.shape[0] != moments.shape[1]))
    refuse("damp", "moments", "f32 [n, n] or [n]", moments);
  if (moments.elements() == 0) return;
  MomentsArgs args{};
  args.count = count32("damp", "n", moments.shape[0]);
  args.step = whole ? args.count + 1 : 1;
  args.diagonal = offset32("damp", "moments", moments);
  args.share = share;
  launch(queue, "damp", 1, {Arg::value(args), moments});
}

void take_diagonal(Queue& queue, const TensorView& moments, const TensorView& y) {
  check_rank("take_diagonal", "y", y, 1);
  check_tensor("take_diagonal", "y", y, DType::f32, y.shape);
  check_tensor("take_diagonal", "moments", moments, DType::f32, {y.shape[0], y.shape[0]});
  if (y.elements() == 0) return;
  MomentsArgs args{};
  args.count = count32("take_diagonal", "n", y.shape[0]);
  args.step = args.count + 1;
  args.diagonal = offset32("take_diagonal", "moments", moments);
  args.y = offset32("take_diagonal", "y", y);
  launch(queue, "take_diagonal", 1, {Arg::value(args), moments, y});
}

void scale_columns(Queue& queue, const TensorView& x, const TensorView& d, const TensorView& y) {
  check_rank("scale_columns", "x", x, 2);
  check_tensor("scale_columns", "x", x, DType::f32, x.shape);
  check_tensor("scale_columns", "d", d, DType::f32, {x.shape[1]});
  check_tensor("scale_columns", "y", y, DType::f32, x.shape);
  MomentsArgs args{};
  args.count = count32("scale_columns", "number of columns", x.shape[1]);
  args.x = offset32("scale_columns", "x", x);
  args.diagonal = offset32("scale_columns", "d", d);
  args.y = offset32("scale_columns", "y", y);
  launch(queue, "scale_columns", x.shape[0], {Arg::value(args), x, d, y});
}

}  // namespace apiq::ops
