#include <type_traits>

#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/embedding_args.h"

namespace apiq::ops {

using runtime::operator+;
using runtime::value_of;

static_assert(sizeof(EmbeddingArgs) == 20 && std::is_trivial_v<EmbeddingArgs>);

void embedding_fwd(Queue& queue, const TensorView& table, const TensorView& ids, const TensorView& x) {
  constexpr std::string_view op = "embedding_fwd";
  const bool table_half = check_half(op, "table", table), half = check_half(op, "x", x);
  check_rank(op, "table", table, 2);
  check_tensor(op, "ids", ids, DType::u32, {ids.shape[0]});
  check_tensor(op, "x", x, x.dtype, {ids.shape[0], table.shape[1]});
  if (table.shape[0] == 0) throw ShapeError("[embedding_fwd] table has no rows");
  const EmbeddingArgs args{count32(op, "vocab_size", table.shape[0]),
                           count32(op, "hidden_size", table.shape[1]), offset32(op, "table", table),
                           offset32(op, "ids", ids), offset32(op, "x", x)};
  const auto tuned = queue.tuned("embedding");
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG"));
  queue.launch("embedding", op, runtime::Macros{{"TABLE_HALF", table_half}, {"HALF", half}} + tuned,
               {{ids.shape[0] * group, 1, 1}, {group, 1, 1}}, {runtime::Arg::value(args), table, ids, x});
}

}  // namespace apiq::ops
