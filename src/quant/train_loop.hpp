// The loop every gradient method runs: epochs of batches in sample order, learning rate by schedule, losses
// kept on the device and read once an epoch, steps without a finite loss counted.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "quant/adamw_state.hpp"
#include "quant/linear_problem.hpp"

namespace apiq::quant {

struct LoopResult {
  std::vector<double> epoch_losses;  // mean over each epoch's finite steps
  std::uint64_t skipped_steps = 0;
};

struct LoopProblem {
  Queue& queue;
  const TrainOptions& train;
  std::string name;  // for the error text
  std::uint32_t steps_per_epoch = 0;
  double loss_scale = 1;  // reported loss = loss_scale * what the step left in StepInfo::loss + loss_offset
  double loss_offset = 0;
  std::function<void(std::uint32_t batch, const StepInfo& info)> step;  // must write info.loss
  std::function<void(std::uint64_t)> step_done;
};

/// Of a schedule at step t of total, t from 0: cosine falls from 1 to 0.02.
double rate_factor(Schedule schedule, std::uint64_t step, std::uint64_t total);

/// Throws Error if not one step of an epoch had a finite loss.
LoopResult train_loop(const LoopProblem& problem);

}  // namespace apiq::quant
