// The block loop of sequential calibration: brings each block's weights to the device, has it solved, saves
// the result and both streams while the next one is solved, and takes finished blocks from the work directory
// of an interrupted run.
#pragma once
#include <vector>

#include "apiq/quantize.hpp"
#include "calib/journal.hpp"
#include "calib/run_context.hpp"

namespace apiq::calib {

/// Solves every block that the journal does not hold. On return all blocks are in the journal. Throws what
/// its parts throw; what was finished stays in the journal.
std::vector<BlockReport> run_schedule(const RunContext& run, Journal& journal);

}  // namespace apiq::calib
