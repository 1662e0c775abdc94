#include <type_traits>

#include "ops/nn.hpp"
#include "ops/nn_checks.hpp"
#include "shared/types.h"

#include "shared/embedding_args.h"

namespace apiq::ops {

static_assert(sizeof(EmbeddingArgs) == 20 && std::is_trivial_v<EmbeddingArgs>);

void embedding_fwd(Queue& queue, const TensorView& table, const TensorView& ids, const TensorView& x) {
  constexpr std::string_view op = "embedding_fwd";
  const int table_half = half_macro(op, "table", table), half = half_macro(op, "x", x);
  expect_rank(op, "table", table, 2);
  expect_rank(op, "ids", ids, 1);
  expect_dtype(op, "ids", ids, DType::u32);
  expect_shape(op, "x", x, {ids.shape[0], table.shape[1]});
  if (table.shape[0] == 0) throw ShapeError("[embedding_fwd] table has no rows");
  const EmbeddingArgs args{as_uint(op, "vocab_size", table.shape[0]), as_uint(op, "hidden_size", table.shape[1]),
                           as_uint(op, "offset of table", table.offset), as_uint(op, "offset of ids", ids.offset),
                           as_uint(op, "offset of x", x.offset)};
  const auto tuned = queue.tuned("embedding");
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG"));
  queue.launch("embedding", op, runtime::Macros{{"TABLE_HALF", table_half}, {"HALF", half}} + tuned, {{ids.shape[0] * group, 1, 1}, {group, 1, 1}},
               {runtime::Arg::value(args), table, ids, x});
}

}  // namespace apiq::ops
