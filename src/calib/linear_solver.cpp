// Methods that solve one linear at a time: stage by stage, both streams advancing between the stages.
#include <algorithm>
#include <cmath>

#include "calib/block_solver.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"

namespace apiq::calib {

namespace {

class LinearSolver : public BlockSolver {
 public:
  LinearSolver(const RunContext& run, StepDone step_done) : run_(run), step_done_(std::move(step_done)) {}

  SolvedBlock solve(WorkingBlock& weights, Streams& streams, const SaveTo& save, PhaseClock& clock) override;

 private:
  void solve_linear(WorkingBlock& weights, std::uint32_t linear, Streams& streams, PhaseClock& clock,
                    SolvedBlock& out);
  ActivationStore make_targets(const TensorView& weight, Stream& full) const;
  static void add_losses(std::vector<double>& sums, const std::vector<double>& losses);

  const RunContext& run_;
  StepDone step_done_;
};

SolvedBlock LinearSolver::solve(WorkingBlock& weights, Streams& streams, const SaveTo& save,
                                PhaseClock& clock) {
  SolvedBlock out;
  OutputError error(run_.queue);
  if (streams) {
    clock.begin(Phase::advance);
    streams.full->advance(0, weights, weights.full());
    streams.quantized->advance(0, weights, weights.quantized());
  }
  const std::vector<Stage>& stages = run_.config().block.stages;
  for (std::uint32_t stage = 0; stage < stages.size(); ++stage) {
    const auto [first, end] = stages[stage];
    clock.begin(Phase::targets);
    for (std::uint32_t l = first; l < end; ++l) weights.make_dense(l);
    for (std::uint32_t l = first; l < end; ++l) solve_linear(weights, l, streams, clock, out);
    clock.begin(Phase::advance);
    if (streams && stage + 1 < stages.size()) {
      streams.full->advance(stage + 1, weights, weights.full());
      streams.quantized->advance(stage + 1, weights, weights.quantized());
    } else if (streams) {
      streams.full->advance(stage + 1, weights, weights.full(), save.full);
      streams.quantized->advance(
          stage + 1, weights, weights.quantized(), save.quantized,
          [&](std::uint32_t i, const TensorView& x) { error.add(x, streams.full->residuals().open(i)); });
    }
    // This stage's weights make room for the next one's.
    for (std::uint32_t l = first; l < end; ++l) {
      weights.drop_dense(l);
      weights.drop_packed(l);
    }
  }
  clock.end();
  for (std::vector<double>* losses : {&out.report.losses, &out.report.curve.points})
    for (double& loss : *losses) loss /= static_cast<double>(out.linears.size());
  out.report.relative_error = streams ? error.relative() : NAN;
  return out;
}

/// The full-precision stream's outputs of one linear.
ActivationStore LinearSolver::make_targets(const TensorView& weight, Stream& full) const {
  ActivationStore targets =
      run_.make_store(weight.shape[0], run_.plan.choice.inner, false, "full-precision outputs");
  targets.begin_pass();
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    run_.next_piece();
    ops::matmul_nt(run_.queue, run_.queue.device().rounding(runtime::Work::training), full.inputs().open(i),
                   weight, targets.create(i));
    targets.commit(i);
  }
  targets.end_pass();
  return targets;
}

void LinearSolver::solve_linear(WorkingBlock& weights, std::uint32_t linear, Streams& streams,
                                PhaseClock& clock, SolvedBlock& out) {
  const LinearSettings& settings = weights.settings(linear);
  out.report.linears.push_back({weights.name(linear), 0});
  step_done_(linear, 0);
  if (!settings.quantize) return;
  quant::LinearProblem problem{.queue = run_.queue,
                               .name = weights.name(linear),
                               .seed = weights.seed(linear),
                               .weight = weights.dense(linear),
                               .spec = {settings.bits, settings.group_size, run_.options.symmetric, true},
                               .rank = settings.rank,
                               .alpha = lora_of(run_.options.method).alpha,
                               .train = run_.train,
                               .input = {},
                               .target = {},
                               .training_begins = [&] { clock.begin(Phase::train); },
                               .step_done = [&](std::uint64_t steps) { step_done_(linear, steps); }};
  ActivationStore targets;
  clock.begin(Phase::targets);
  if (run_.method.traits().needs_inputs) {
    problem.num_samples = run_.num_samples();
    problem.tokens_per_sample = run_.set.sequence_length;
    targets = make_targets(weights.dense(linear), *streams.full);
    problem.input = [&](std::uint32_t i) { return streams.quantized->inputs().open(i); };
    problem.target = [&](std::uint32_t i) { return targets.open(i); };
  }
  clock.begin(Phase::start);
  quant::LinearResult result = run_.method.quantize_linear(problem);
  clock.begin(Phase::store);
  targets = {};
  if (run_.train.weight_learning_rate != 0)
    weights.make_dense(linear);  // latent weights were trained in its place
  weights.set_packed(linear, result.linear);
  out.report.linears.back().weight_error = weights.weight_error(linear);
  add_losses(out.report.losses, result.epoch_losses);
  add_losses(out.report.curve.points, result.curve.points);
  out.report.curve.steps = std::max(out.report.curve.steps, result.curve.steps);
  out.report.curve.steps_per_point = result.curve.steps_per_point;
  out.report.skipped_steps += result.skipped_steps;
  out.linears.emplace_back(problem.name, std::move(result.linear));
}

/// Linears may stop after different numbers of epochs: a finished one counts on with its last loss.
void LinearSolver::add_losses(std::vector<double>& sums, const std::vector<double>& losses) {
  if (losses.empty()) return;
  if (sums.size() < losses.size()) sums.resize(losses.size(), sums.empty() ? 0 : sums.back());
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += losses[std::min(i, losses.size() - 1)];
}

}  // namespace

std::unique_ptr<BlockSolver> make_linear_solver(const RunContext& run, StepDone step_done) {
  return std::make_unique<LinearSolver>(run, std::move(step_done));
}

}  // namespace apiq::calib
