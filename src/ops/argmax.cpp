#include "ops/argmax.hpp"

#include <algorithm>
#include <type_traits>

#include "ops/checks.hpp"
#include "shared/types.h"

#include "shared/argmax_args.h"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;
using runtime::value_of;
using runtime::operator+;

static_assert(sizeof(ArgmaxArgs) == 6 * 4 && std::is_trivially_copyable_v<ArgmaxArgs>);

void argmax(runtime::Queue& queue, const runtime::TensorView& logits, const runtime::TensorView& out) {
  constexpr std::string_view op = "argmax";
  constexpr std::uint64_t kSmallestPart = 8192;  // elements that pay for a work-group
  check_elements(op, "logits", logits, DType::f32, logits.elements());
  check_elements(op, "out", out, DType::u32, 1);
  if (logits.elements() == 0) throw ShapeError("[argmax] logits: there are none to choose from");
  const Macros tuned = queue.tuned("argmax"), macros = Macros{{"BITS", 8}} + tuned;
  const auto group = static_cast<std::size_t>(value_of(tuned, "WG")),
             width = static_cast<std::size_t>(value_of(tuned, "VW"));
  const std::uint64_t most = std::max<std::uint64_t>(
      1, std::min<std::uint64_t>(queue.device().info().compute_units, logits.elements() / kSmallestPart));
  runtime::Workspace::Scope scope(queue.workspace());
  ArgmaxArgs args{};
  args.count = count32(op, "number of logits", logits.elements());
  args.part_size =
      static_cast<std::uint32_t>(runtime::round_up((logits.elements() + most - 1) / most, group * width));
  args.parts = (args.count + args.part_size - 1) / args.part_size;
  const auto partials = queue.workspace().allocate(DType::u32, {args.parts, 3});
  args.logits = offset32(op, "logits", logits);
  args.partials = offset32(op, "partial results", partials);
  args.out = offset32(op, "out", out);
  queue.launch("argmax", "argmax_parts", macros, {{args.parts * group, 1, 1}, {group, 1, 1}},
               {Arg::value(args), logits, partials});
  queue.launch("argmax", "argmax_choose", macros, {{group, 1, 1}, {group, 1, 1}},
               {Arg::value(args), partials, out});
}

}  // namespace apiq::ops
