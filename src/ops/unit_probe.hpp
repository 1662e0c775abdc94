// One matrix unit by itself: what the self-test of a device runs first, and what shows the layout of its
// registers.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/matrix_unit.hpp"
#include "runtime/queue.hpp"

namespace apiq::ops {

inline constexpr std::uint32_t kSlab = 32;  // values along k that units take at a time (cl/lib/unit_tile.h)

/// Shape of the instruction behind a unit. Throws Unsupported for units without a program.
struct UnitSize {
  std::uint32_t lanes, rows, columns, steps, a_words,
      b_words;  // steps: instructions per slab; words: registers per lane of one
};
UnitSize unit_size(runtime::MatrixUnit unit);

struct UnitProbe {
  std::vector<float> c;                  // [rows][columns]
  std::vector<std::uint32_t> fragments;  // [lanes][steps * (a_words + b_words) + 1] of the last slab; the
                                         // last word is the hardware's lane number
};

/// c = sum over slabs of a b^T on one unit.
///   a  bit patterns of mode.input [slabs][rows][32], b [slabs][columns][32]; as many slabs in both.
/// Waits for the result. Throws ShapeError, Unsupported, BuildError (the device's compiler does not take the
/// unit's instructions), DeviceError.
UnitProbe probe_unit(runtime::Queue& queue, const runtime::UnitMode& mode, std::span<const std::uint16_t> a,
                     std::span<const std::uint16_t> b);

}  // namespace apiq::ops
