// A block's report: as JSON for part files and the checkpoint (without times, so that equal runs give equal bytes), and as a line for people.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "apiq/quantize.hpp"

namespace apiq::calib {

/// {"index", "loss_first", "loss_last", "losses", "relative_error", "skipped_steps", "linears": [{"name", "weight_error"}]}; not finite: null.
nlohmann::json block_report_json(const BlockReport& report);
/// Inverse; what is not in it (times) stays zero, resumed is set. Throws FormatError.
BlockReport parse_block_report(const nlohmann::json& report);

/// "block 3/6  loss 1.2e-02 -> 9.1e-03  relative output error 4.0e-02  3.1 s": of what was measured.
std::string block_line(const BlockReport& report, std::uint32_t num_blocks);

}  // namespace apiq::calib
