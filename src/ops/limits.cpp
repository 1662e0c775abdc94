// Launchers of cl/limits/limits.cl.
#include "ops/limits.hpp"

#include <algorithm>
#include <type_traits>

#include "ops/checks.hpp"
#include "shared/types.h"

#include "shared/limits_args.h"

namespace apiq::ops {

using runtime::Macros;
using runtime::value_of;

namespace {

static_assert(sizeof(LimitsArgs) == 16 && std::is_trivial_v<LimitsArgs>);

constexpr std::uint64_t kChains = 8;

std::uint64_t tuned(const Macros& macros, std::string_view name) {
  return static_cast<std::uint64_t>(value_of(macros, name));
}

}  // namespace

std::uint64_t read_granule_words(Queue& queue) {
  const Macros macros = queue.tuned("limits");
  return tuned(macros, "VW") * tuned(macros, "WG") * tuned(macros, "VECTORS");
}

std::uint64_t read_sums(Queue& queue, std::uint64_t words) {
  return words / read_granule_words(queue) * tuned(queue.tuned("limits"), "WG");
}

void read_words(Queue& queue, const TensorView& data, const TensorView& sums) {
  const std::uint64_t granule = read_granule_words(queue), words = data.elements();
  if (data.dtype != DType::u32 || words == 0 || words % granule != 0)
    refuse("read_words", "data", "u32 with a multiple of " + std::to_string(granule) + " elements", data);
  check_elements("read_words", "sums", sums, DType::u32, read_sums(queue, words));
  if (sums.offset != 0) refuse("read_words", "sums", "a tensor at the start of its buffer", sums);
  LimitsArgs args{};
  args.data_offset = offset32("read_words", "data", data);
  const Macros macros = queue.tuned("limits");
  const std::size_t group = tuned(macros, "WG");
  queue.launch("limits", "read_words", macros, {{words / granule * group, 1, 1}, {group, 1, 1}},
               {runtime::Arg::value(args), data, sums});
}

std::uint32_t multiply_add_steps(Queue& queue) { return queue.device().info().is_cpu ? 65536 : 4096; }

std::uint64_t multiply_add_items(Queue& queue) {
  // 32 groups per compute unit: with as many as PoCL hands out at once, and enough for a GPU to fill and to
  // balance.
  return 32 * std::max<std::uint64_t>(1, queue.device().info().compute_units) *
         tuned(queue.tuned("limits"), "WG");
}

double multiply_add(Queue& queue, std::uint32_t steps, float factor, float addend, const TensorView& y) {
  const std::uint64_t items = multiply_add_items(queue);
  check_elements("multiply_add", "y", y, DType::f32, items);
  if (y.offset != 0) refuse("multiply_add", "y", "a tensor at the start of its buffer", y);
  const Macros macros = queue.tuned("limits");
  const LimitsArgs args{0, steps, factor, addend};
  const std::size_t group = tuned(macros, "WG");
  queue.launch("limits", "multiply_add", macros, {{items, 1, 1}, {group, 1, 1}},
               {runtime::Arg::value(args), y});
  return 2.0 * static_cast<double>(kChains * tuned(macros, "VW") * items) * steps;
}

}  // namespace apiq::ops
