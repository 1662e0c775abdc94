#include "quant/train_loop.hpp"

#include <cmath>
#include <numbers>

#include "apiq/error.hpp"

namespace apiq::quant {

double rate_factor(Schedule schedule, std::uint64_t step, std::uint64_t total) {
  if (schedule == Schedule::constant) return 1.0;
  const double part = static_cast<double>(step) / static_cast<double>(total);
  return 0.02 + 0.98 * 0.5 * (1.0 + std::cos(std::numbers::pi * part));
}

namespace {

/// Reads an epoch's losses and adds its mean to the result.
void close_epoch(const LoopProblem& problem, const TensorView& losses, LoopResult& result) {
  double total = 0;
  std::uint32_t taken = 0;
  for (const float loss : runtime::read_floats(problem.queue, losses)) {
    if (std::isfinite(loss)) total += loss, ++taken;
  }
  if (taken == 0)
    throw Error("[train] " + problem.name + ": the loss was not finite in any of the " +
                std::to_string(problem.steps_per_epoch) + " steps of epoch " +
                std::to_string(result.epoch_losses.size() + 1) +
                "; lower the learning rates, or look for infinite activations with apiq-eval on the "
                "unquantized model");
  result.skipped_steps += problem.steps_per_epoch - taken;
  result.epoch_losses.push_back(problem.loss_scale * total / taken + problem.loss_offset);
}

bool should_stop(const TrainOptions& train, const std::vector<double>& losses) {
  if (train.early_stop <= 0 || losses.size() < 2) return false;
  const double before = losses[losses.size() - 2];
  return before - losses.back() < static_cast<double>(train.early_stop) * before;
}

}  // namespace

LoopResult train_loop(const LoopProblem& problem) {
  const runtime::DeviceTensor losses(problem.queue.device(), DType::f32, {problem.steps_per_epoch}, "losses");
  const std::uint64_t total = std::uint64_t{problem.train.epochs} * problem.steps_per_epoch;
  LoopResult result;
  std::uint64_t done = 0;
  for (std::uint32_t epoch = 0; epoch < problem.train.epochs; ++epoch) {
    for (std::uint32_t batch = 0; batch < problem.steps_per_epoch; ++batch) {
      const double factor = rate_factor(problem.train.schedule, done, total);
      ++done;
      problem.step(batch, {static_cast<std::uint32_t>(done), factor, losses.view().rows(batch, 1)});
      problem.step_done(done);
    }
    close_epoch(problem, losses, result);
    if (should_stop(problem.train, result.epoch_losses)) break;
  }
  return result;
}

}  // namespace apiq::quant
