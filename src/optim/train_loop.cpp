#include "optim/train_loop.hpp"

#include <algorithm>
#include <cmath>

#include "apiq/error.hpp"
#include "optim/schedule.hpp"

namespace apiq::optim {

using runtime::DeviceTensor;
using runtime::TensorView;

namespace {

/// Means over equal numbers of steps, as these come.
class CurveBuilder {
 public:
  explicit CurveBuilder(std::uint64_t total_steps)
      : curve_{0, static_cast<std::uint32_t>((total_steps + kCurvePoints - 1) / kCurvePoints), {}} {}
  void add(double loss) {
    if (std::isfinite(loss)) sum_ += loss, ++finite_;
    ++curve_.steps;
    if (++steps_ == curve_.steps_per_point) close();
  }
  LossCurve finish() {
    if (steps_ != 0) close();
    return std::move(curve_);
  }

 private:
  void close() {
    curve_.points.push_back(finite_ != 0 ? sum_ / finite_ : NAN);
    sum_ = 0;
    finite_ = steps_ = 0;
  }
  LossCurve curve_;
  double sum_ = 0;
  std::uint32_t finite_ = 0, steps_ = 0;
};

/// Reads an epoch's losses and adds its mean to the result.
void close_epoch(const LoopProblem& problem, const TensorView& losses, CurveBuilder& curve,
                 LoopResult& result) {
  double total = 0;
  std::uint32_t taken = 0;
  for (const float loss : runtime::read_floats(problem.queue, losses)) {
    // A loss that is the small difference of large sums (quant/gram.hpp) may come out below zero.
    if (std::isfinite(loss)) total += std::max(loss, 0.0f), ++taken;
    curve.add(problem.loss_scale * loss + problem.loss_offset);
  }
  if (taken == 0)
    throw Error("[train] " + problem.name + ": the loss or a gradient was not finite in each of the " +
                std::to_string(problem.steps_per_epoch) + " steps of epoch " +
                std::to_string(result.epoch_losses.size() + 1) +
                "; lower the learning rates, or look for infinite activations with apiq-eval on the "
                "unquantized model");
  result.skipped_steps += problem.steps_per_epoch - taken;
  result.epoch_losses.push_back(problem.loss_scale * total / taken + problem.loss_offset);
}

bool should_stop(float early_stop, const std::vector<double>& losses) {
  if (early_stop <= 0 || losses.size() < 2) return false;
  const double before = losses[losses.size() - 2];
  return before - losses.back() < static_cast<double>(early_stop) * before;
}

}  // namespace

LoopResult train_loop(const LoopProblem& problem) {
  const DeviceTensor losses(problem.queue.device(), DType::f32, {problem.steps_per_epoch}, "losses");
  const std::uint64_t total = std::uint64_t{problem.epochs} * problem.steps_per_epoch;
  LoopResult result;
  CurveBuilder curve(total);
  std::uint64_t done = 0;
  for (std::uint32_t epoch = 0; epoch < problem.epochs; ++epoch) {
    for (std::uint32_t batch = 0; batch < problem.steps_per_epoch; ++batch) {
      const double factor = rate_factor(problem.schedule, done, total);
      ++done;
      problem.step(batch, {static_cast<std::uint32_t>(done), factor, losses.view().rows(batch, 1)});
      problem.step_done(done);
    }
    close_epoch(problem, losses, curve, result);
    if (should_stop(problem.early_stop, result.epoch_losses)) break;
  }
  result.curve = curve.finish();
  return result;
}

}  // namespace apiq::optim
