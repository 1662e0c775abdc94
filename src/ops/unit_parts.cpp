#include "ops/unit_parts.hpp"

#include <type_traits>

namespace apiq::ops {

namespace {

using runtime::MatrixUnit;

static_assert(sizeof(UnitOutput) == 32 && std::is_trivially_copyable_v<UnitOutput>);
static_assert(sizeof(GemmUnitArgs) == 60 && std::is_trivially_copyable_v<GemmUnitArgs>);

/// Lanes and instruction shape as the unit's header in cl/lib has them.
struct UnitShape {
  std::uint64_t lanes, m, n;
};

UnitShape unit_shape(MatrixUnit unit) {
  switch (unit) {
    case MatrixUnit::nv_mma:
    case MatrixUnit::emulated: return {32, 16, 8};
    default: throw Unsupported("[matrix unit] the shape of '" + std::string(runtime::name_of(unit)) + "' is not known; add it beside its header");
  }
}

}  // namespace

UnitPlan unit_plan(runtime::Queue& queue, std::string_view family, const runtime::UnitMode& mode, std::uint64_t M, std::uint64_t N) {
  UnitPlan plan;
  plan.program = runtime::unit_program(family, mode.unit);
  plan.tunables = queue.tuned(plan.program);
  const auto value = [&](std::string_view name) { return static_cast<std::uint64_t>(runtime::value_of(plan.tunables, name)); };
  const UnitShape shape = unit_shape(mode.unit);
  const std::uint64_t rows = value("UNITS_M") * value("FM") * shape.m, columns = value("UNITS_N") * value("FN") * shape.n;
  plan.row_tiles = (M + rows - 1) / rows;
  plan.column_tiles = (N + columns - 1) / columns;
  const std::size_t items = value("UNITS_M") * value("UNITS_N") * shape.lanes;
  plan.range = {{plan.row_tiles * plan.column_tiles * items, 1, 1}, {items, 1, 1}};
  return plan;
}

UnitOutput unit_output(std::string_view op, const runtime::TensorView& c, float alpha, float beta) {
  const std::uint32_t offset = offset32(op, "c", c), rows = count32(op, "M", c.shape[0]), columns = count32(op, "N", c.shape[1]);
  return {offset, columns, rows, columns, is_half(c), offset % 4 == 0 && columns % 4 == 0, alpha, beta};
}

}  // namespace apiq::ops
