// A block's report back from JSON: of a checkpoint or part file (what was measured), or of a run's result (also times and memory).
#pragma once
#include <nlohmann/json.hpp>

#include "apiq/quantize.hpp"

namespace apiq {

/// Numbers that are null become NaN; what only a run knows (resumed, seconds, phases, wait, peaks) stays zero where it is missing.
/// Throws FormatError.
BlockReport block_from_json(const nlohmann::json& block);

}  // namespace apiq
