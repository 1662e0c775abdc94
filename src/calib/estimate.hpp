// How long a run will take: the parts of one block are timed with few samples and scaled to all of them.
#pragma once
#include <vector>

#include "apiq/phase.hpp"
#include "calib/run_context.hpp"

namespace apiq::calib {

struct PhaseEstimate {
  Phase phase = Phase::load;
  double seconds = 0;  // of the whole run
};

/// Solves the first block a few times with a few of the run's samples and throws the results away.
std::vector<PhaseEstimate> estimate_time(const RunContext& run);

}  // namespace apiq::calib
