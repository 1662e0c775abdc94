#include <type_traits>

#include "ops/nn.hpp"
#include "ops/nn_checks.hpp"
#include "shared/types.h"

#include "shared/elementwise_args.h"

namespace apiq::ops {

static_assert(sizeof(ElementwiseArgs) == 16 && std::is_trivial_v<ElementwiseArgs>);

void add(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& y) {
  const int half = half_macro("add", "a", a);
  expect_dtype("add", "b", b, a.dtype);
  expect_dtype("add", "y", y, a.dtype);
  if (b.elements() != a.elements() || y.elements() != a.elements())
    throw ShapeError("[add] a " + a.shape.text() + ", b " + b.shape.text() + " and y " + y.shape.text() + " differ in their number of elements");
  const ElementwiseArgs args{as_uint("add", "number of elements", a.elements()), as_uint("add", "offset of a", a.offset),
                             as_uint("add", "offset of b", b.offset), as_uint("add", "offset of y", y.offset)};
  const auto tuned = queue.tuned("elementwise");
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG"));
  const std::size_t per_group = group * static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "ITEMS"));
  queue.launch("elementwise", "add", runtime::Macros{{"HALF", half}} + tuned,
               {{(a.elements() + per_group - 1) / per_group * group, 1, 1}, {group, 1, 1}}, {runtime::Arg::value(args), a, b, y});
}

}  // namespace apiq::ops
