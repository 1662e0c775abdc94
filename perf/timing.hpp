// Interleaved timing: contenders take turns, so that ratios hold on a shared machine whose speed changes over
// minutes.
#pragma once
#include <functional>
#include <vector>

namespace apiq::perf {

double now_ms();

/// Milliseconds per call.
struct Timing {
  double median = 0, min = 0;
  int rounds = 0;
  double spread = 0;  // interquartile range over the median: half of all samples lie that close together
};

/// `samples` in milliseconds, not empty.
Timing summarize(std::vector<double> samples);

/// One thing to time. `run` does the work `count` times and returns when all of it is done.
struct Contender {
  std::function<void(int count)> run;
};

/// Samples are long enough (40 ms unless set) that clock, launch and the waking of a second core after a
/// pause are noise.
void set_sample_milliseconds(double milliseconds);

/// How many calls fill a sample. Calls twice: the first call compiles and allocates.
int calls_per_sample(const Contender& contender);

/// Times the contenders in turns, after a warm-up of each. Every round begins with the next one, so that none
/// always follows the same neighbour: what a contender leaves behind (caches, clock, spinning threads) then
/// meets all others alike. Samples are milliseconds per call.
std::vector<Timing> interleave(const std::vector<Contender>& contenders, int rounds);

}  // namespace apiq::perf
