// The loop of every training: epochs of batches in sample order, learning rate by schedule, losses kept on
// the device and read once an epoch, steps without a finite loss and finite gradients counted.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "apiq/block_report.hpp"
#include "apiq/method_options.hpp"
#include "optim/step_info.hpp"
#include "runtime/queue.hpp"

namespace apiq::optim {

struct LoopResult {
  std::vector<double> epoch_losses;  // mean over each epoch's steps that were not skipped
  std::uint64_t skipped_steps = 0;
  LossCurve curve;
};

/// Points of a curve at most.
inline constexpr std::uint32_t kCurvePoints = 200;

struct LoopProblem {
  runtime::Queue& queue;
  std::string name;  // for the error text
  std::uint32_t epochs = 0, steps_per_epoch = 0;
  Schedule schedule = Schedule::constant;
  float early_stop = 0;   // stop when an epoch lowers the loss by less than this share; 0: never
  double loss_scale = 1;  // reported loss = loss_scale * what the step left in StepInfo::loss + loss_offset
  double loss_offset = 0;
  /// Must write info.loss, no less than 0, and make it NaN if a gradient is not finite (ops::guard_loss).
  std::function<void(std::uint32_t batch, const StepInfo& info)> step;
  std::function<void(std::uint64_t)> step_done;
};

/// Throws Error if every step of an epoch was skipped.
LoopResult train_loop(const LoopProblem& problem);

}  // namespace apiq::optim
