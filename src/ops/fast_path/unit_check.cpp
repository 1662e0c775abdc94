#include "ops/fast_path/unit_check.hpp"

#include <bit>

#include "ops/fast_path/trial_data.hpp"
#include "util/half.hpp"

namespace apiq::ops {

namespace {

constexpr std::uint64_t kSlabs = 3;

float value(std::uint64_t line, std::uint64_t k, std::uint64_t turn) {
  return trial::small_integer(line, k, turn);
}

/// [slabs][lines][32] bit patterns; integers of this size lose nothing in either type.
std::vector<std::uint16_t> patterns(std::uint64_t lines, std::uint64_t turn, runtime::InputType input) {
  std::vector<std::uint16_t> out;
  for (std::uint64_t slab = 0; slab < kSlabs; ++slab)
    for (std::uint64_t line = 0; line < lines; ++line)
      for (std::uint64_t k = 0; k < kSlab; ++k) {
        const float x = value(line, slab * kSlab + k, turn);
        out.push_back(input == runtime::InputType::f16
                          ? float_to_half(x)
                          : static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16));
      }
  return out;
}

std::string wrong_lane(const UnitProbe& probe, const UnitSize& size) {
  const std::size_t words = probe.fragments.size() / size.lanes;
  for (std::size_t item = 0; item < size.lanes; ++item) {
    const std::uint32_t lane = probe.fragments[item * words + words - 1];
    if (lane != item)
      return "work-item " + std::to_string(item) + " is lane " + std::to_string(lane) +
             " of its hardware group";
  }
  return {};
}

std::string wrong_element(const UnitProbe& probe, const UnitSize& size) {
  for (std::uint64_t row = 0; row < size.rows; ++row)
    for (std::uint64_t column = 0; column < size.columns; ++column) {
      double want = 0;
      for (std::uint64_t k = 0; k < kSlabs * kSlab; ++k)
        want += static_cast<double>(value(row, k, 1)) * value(column, k, 2);
      const float got = probe.c[row * size.columns + column];
      if (static_cast<double>(got) == want) continue;
      return "one tile is wrong, first at row " + std::to_string(row) + ", column " + std::to_string(column) +
             ": expected " + std::to_string(want) + ", got " + std::to_string(got);
    }
  return {};
}

}  // namespace

std::string check_unit(runtime::Queue& queue, const runtime::UnitMode& mode) {
  const UnitSize size = unit_size(mode.unit);
  const UnitProbe probe =
      probe_unit(queue, mode, patterns(size.rows, 1, mode.input), patterns(size.columns, 2, mode.input));
  if (std::string wrong = wrong_lane(probe, size); !wrong.empty()) return wrong;
  return wrong_element(probe, size);
}

}  // namespace apiq::ops
