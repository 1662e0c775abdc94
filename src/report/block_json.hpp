// A block's report as JSON and back: of a checkpoint or part file (what was measured), or of a run's result
// (also times and memory).
#pragma once
#include <nlohmann/json.hpp>

#include "apiq/block_report.hpp"

namespace apiq {

/// What was measured, without times, so that equal runs give equal bytes: "index", "loss_first", "loss_last",
/// "losses", "relative_error", "skipped_steps", "linears" [{"name", "weight_error"}]. Numbers that are not
/// finite are null.
nlohmann::json block_to_json(const BlockReport& block);

/// Numbers that are null become NaN; what only a run knows (resumed, seconds, phases, wait, peaks) stays zero
/// where it is missing. Throws FormatError.
BlockReport block_from_json(const nlohmann::json& block);

}  // namespace apiq
