#include "ops/unit_parts.hpp"

#include <type_traits>

#include "ops/unit_probe.hpp"

namespace apiq::ops {

using runtime::MatrixUnit;

namespace {

static_assert(sizeof(UnitOutput) == 32 && std::is_trivially_copyable_v<UnitOutput>);
static_assert(sizeof(GemmUnitArgs) == 64 && std::is_trivially_copyable_v<GemmUnitArgs>);
static_assert(sizeof(UnitSumArgs) == 40 && std::is_trivially_copyable_v<UnitSumArgs>);
static_assert(sizeof(QgemmUnitArgs) == 100 && std::is_trivially_copyable_v<QgemmUnitArgs>);

}  // namespace

UnitSize unit_size(MatrixUnit unit) {
  switch (unit) {
    case MatrixUnit::nv_mma:
    case MatrixUnit::emulated: return {32, 16, 8, 2, 4, 2};
    case MatrixUnit::amd_mfma:
    case MatrixUnit::emulated_amd_mfma: return {64, 16, 16, 2, 2, 2};
    case MatrixUnit::amd_wmma:
    case MatrixUnit::emulated_amd_wmma: return {32, 16, 16, 2, 8, 8};
    case MatrixUnit::amd_wmma12:
    case MatrixUnit::emulated_amd_wmma12: return {32, 16, 16, 2, 4, 4};
    case MatrixUnit::intel_dpas8:
    case MatrixUnit::emulated_intel_dpas8: return {8, 8, 8, 2, 8, 8};
    case MatrixUnit::intel_dpas16:
    case MatrixUnit::emulated_intel_dpas16: return {16, 8, 16, 2, 4, 8};
    case MatrixUnit::none: break;
  }
  throw Unsupported("[matrix unit] '" + std::string(runtime::name_of(unit)) +
                    "' is no unit; choose one that has a header in cl/lib");
}

namespace {

/// Elements of c that a work-group computes, and what they are made of.
struct Tile {
  UnitSize size;
  std::uint64_t units_m, units_n, fm, fn;

  std::uint64_t items() const { return units_m * units_n * size.lanes; }
  std::uint64_t rows() const { return units_m * fm * size.rows; }
  std::uint64_t columns() const { return units_n * fn * size.columns; }
  std::uint64_t count(std::uint64_t M, std::uint64_t N) const {
    return ((M + rows() - 1) / rows()) * ((N + columns() - 1) / columns());
  }
  /// What the kernels ask for: work-items share the staging of both operands evenly, units begin at whole
  /// periods of the tile's order.
  bool possible() const {
    return fm > 0 && fn > 0 && 4 * rows() % items() == 0 && 4 * columns() % items() == 0 &&
           fm * size.rows % 16 == 0 && fn * size.columns % 16 == 0;
  }
};

/// Smaller tiles where a large one would mostly compute padding, or where there are fewer than the device has
/// compute units. Halves only, so that there are few programs.
Tile fitted(Tile tile, std::uint64_t M, std::uint64_t N, std::uint64_t compute_units) {
  while (true) {
    const bool few = tile.count(M, N) < compute_units;
    Tile shorter = tile, narrower = tile;
    shorter.fm = tile.fm % 2 == 0 ? tile.fm / 2 : 0;
    narrower.fn = tile.fn % 2 == 0 ? tile.fn / 2 : 0;
    const bool shorten = shorter.possible() && (M <= shorter.rows() || few),
               narrow = narrower.possible() && (N <= narrower.columns() || few);
    if (!shorten && !narrow) return tile;
    tile = shorten && (!narrow || tile.rows() >= tile.columns()) ? shorter : narrower;
  }
}

}  // namespace

UnitPlan unit_plan(runtime::Queue& queue, std::string_view family, const runtime::UnitMode& mode,
                   std::uint64_t M, std::uint64_t N) {
  UnitPlan plan;
  plan.program = runtime::unit_program(family, mode.unit);
  plan.tunables = queue.tuned(plan.program);
  const auto value = [&](std::string_view name) {
    return static_cast<std::uint64_t>(runtime::value_of(plan.tunables, name));
  };
  const Tile asked{unit_size(mode.unit), value("UNITS_M"), value("UNITS_N"), value("FM"), value("FN")};
  if (!asked.possible())
    throw InvalidArgument("[" + plan.program + "] tunables UNITS_M, UNITS_N, FM, FN: a tile of " +
                          std::to_string(asked.rows()) + " x " + std::to_string(asked.columns()) +
                          " cannot be shared by " + std::to_string(asked.items()) +
                          " work-items; correct the tuning file");
  const Tile tile = fitted(asked, M, N, queue.device().info().compute_units);
  for (auto& [name, number] : plan.tunables) {
    if (name == "FM") number = static_cast<int>(tile.fm);
    if (name == "FN") number = static_cast<int>(tile.fn);
  }
  plan.row_tiles = (M + tile.rows() - 1) / tile.rows();
  plan.column_tiles = (N + tile.columns() - 1) / tile.columns();
  plan.range = {{plan.row_tiles * plan.column_tiles * tile.items(), 1, 1}, {tile.items(), 1, 1}};
  return plan;
}

UnitOutput unit_output(std::string_view op, const runtime::TensorView& c, float alpha, float beta) {
  const std::uint32_t offset = offset32(op, "c", c), rows = count32(op, "M", c.shape[0]),
                      columns = count32(op, "N", c.shape[1]);
  return {offset, columns, rows, columns, is_half(c), offset % 4 == 0 && columns % 4 == 0, alpha, beta};
}

}  // namespace apiq::ops
