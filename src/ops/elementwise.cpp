#include <type_traits>

#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/elementwise_args.h"

namespace apiq::ops {

using runtime::operator+;
using runtime::value_of;

static_assert(sizeof(ElementwiseArgs) == 16 && std::is_trivial_v<ElementwiseArgs>);

void add(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& y) {
  const bool half = check_half("add", "a", a);
  check_elements("add", "b", b, a.dtype, a.elements());
  check_elements("add", "y", y, a.dtype, a.elements());
  const ElementwiseArgs args{count32("add", "number of elements", a.elements()), offset32("add", "a", a), offset32("add", "b", b),
                             offset32("add", "y", y)};
  const auto tuned = queue.tuned("elementwise");
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG"));
  const std::size_t per_group = group * static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "ITEMS"));
  queue.launch("elementwise", "add", runtime::Macros{{"HALF", half}} + tuned,
               {{(a.elements() + per_group - 1) / per_group * group, 1, 1}, {group, 1, 1}}, {runtime::Arg::value(args), a, b, y});
}

}  // namespace apiq::ops
