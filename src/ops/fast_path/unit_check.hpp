// First part of a matrix unit's self-test: one tile by itself.
#pragma once
#include <string>

#include "ops/unit_probe.hpp"

namespace apiq::ops {

/// Multiplies two tiles of small integers, several instructions deep, and compares with the host: the lane of
/// every work-item and every element, exactly. Returns what is wrong, or nothing. Throws BuildError if the
/// device's compiler does not take the unit's instructions.
std::string check_unit(runtime::Queue& queue, const runtime::UnitMode& mode);

}  // namespace apiq::ops
