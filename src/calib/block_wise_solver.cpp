// Methods that solve a whole block at a time: full-precision outputs first, then training on the quantized
// stream's inputs, then that stream advances through exactly what will be stored.
#include <cmath>

#include "calib/block_solver.hpp"
#include "ops/nn.hpp"

namespace apiq::calib {

using runtime::Workspace;

namespace {

class BlockWiseSolver : public BlockSolver {
 public:
  BlockWiseSolver(const RunContext& run, StepDone step_done) : run_(run), step_done_(std::move(step_done)) {}

  SolvedBlock solve(WorkingBlock& weights, Streams& streams, const SaveTo& save, PhaseClock& clock) override;

 private:
  ActivationStore mean_targets(WorkingBlock& weights, Streams& streams, double& offset) const;
  quant::BlockProblem problem_of(WorkingBlock& weights, Streams& streams, PhaseClock& clock) const;
  void take_results(WorkingBlock& weights, quant::BlockResult result, SolvedBlock& out) const;

  const RunContext& run_;
  StepDone step_done_;
};

/// With --aug-loss the target is the mean of the block's outputs on both streams; offset is what the two
/// losses keep between them: (y - a)^2 + (y - b)^2 = 2 (y - (a + b) / 2)^2 + (a - b)^2 / 2.
ActivationStore BlockWiseSolver::mean_targets(WorkingBlock& weights, Streams& streams, double& offset) const {
  ActivationStore targets =
      run_.make_store(run_.config().hidden_size, run_.plan.choice.inner, false, "averaged targets");
  OutputError apart(run_.queue);
  targets.begin_pass();
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    run_.next_piece();
    Workspace::Scope scope(run_.queue.workspace());
    const TensorView x = streams.quantized->residuals().open(i), wanted = streams.full->residuals().open(i);
    const TensorView y = run_.queue.workspace().allocate(DType::f32, x.shape);
    streams.block->forward(x, weights.full(), y);
    apart.add(y, wanted);
    ops::scaled_add(run_.queue, 0.5f, wanted, 0.5f, y, targets.create(i));
    targets.commit(i);
  }
  targets.end_pass();
  const double elements =
      static_cast<double>(run_.num_samples()) * run_.set.sequence_length * run_.config().hidden_size;
  offset = 0.5 * apart.difference() / elements;
  return targets;
}

quant::BlockProblem BlockWiseSolver::problem_of(WorkingBlock& weights, Streams& streams,
                                                PhaseClock& clock) const {
  quant::BlockProblem problem{
      .queue = run_.queue,
      .name = "model.layers." + std::to_string(weights.block()),
      .block = *streams.block,
      .linears = {},
      .train = run_.train,
      .keep_effective_weights = run_.plan.choice.keep_effective_weights,
      .num_samples = run_.num_samples(),
      .tokens_per_sample = run_.set.sequence_length,
      .hidden_size = run_.config().hidden_size,
      .input = [&](std::uint32_t i) { return streams.quantized->residuals().open(i); },
      .target = [&](std::uint32_t i) { return streams.full->residuals().open(i); },
      .training_begins = [&] { clock.begin(Phase::train); },
      .step_done = [this](std::uint64_t steps) { step_done_(0, steps); }};
  for (std::uint32_t l = 0; l < weights.size(); ++l) {
    const LinearSettings& s = weights.settings(l);
    problem.linears.push_back({weights.name(l), weights.seed(l), weights.dense(l), s.quantize,
                               ops::QuantSpec{s.bits, s.group_size, run_.options.symmetric, true}, s.rank,
                               lora_of(run_.options.method).alpha});
  }
  return problem;
}

void BlockWiseSolver::take_results(WorkingBlock& weights, quant::BlockResult result, SolvedBlock& out) const {
  for (std::uint32_t l = 0; l < weights.size(); ++l) {
    out.report.linears.push_back({weights.name(l), 0});
    if (!weights.settings(l).quantize) continue;
    if (run_.train.weight_learning_rate != 0)
      weights.make_dense(l);  // latent weights were trained in its place
    weights.set_packed(l, result.linears[l]);
    out.report.linears.back().weight_error = weights.weight_error(l);
    weights.drop_dense(l);
    out.linears.emplace_back(weights.name(l), std::move(result.linears[l]));
  }
  out.report.losses = std::move(result.epoch_losses);
  out.report.curve = std::move(result.curve);
  out.report.skipped_steps = result.skipped_steps;
}

SolvedBlock BlockWiseSolver::solve(WorkingBlock& weights, Streams& streams, const SaveTo& save,
                                   PhaseClock& clock) {
  SolvedBlock out;
  step_done_(0, 0);
  clock.begin(Phase::targets);
  for (std::uint32_t l = 0; l < weights.size(); ++l) weights.make_dense(l);
  streams.full->run_block(*streams.block, weights.full(), save.full);
  quant::BlockProblem problem = problem_of(weights, streams, clock);
  ActivationStore mean;
  const auto* own = part_of<ApiqBwOptions>(run_.options.method);
  if (own != nullptr && own->aug_loss) {
    mean = mean_targets(weights, streams, problem.loss_offset);
    problem.target = [&](std::uint32_t i) { return mean.open(i); };
    problem.target_weight = 2;
  }
  clock.begin(Phase::start);
  quant::BlockResult result = run_.method.quantize_block(problem);
  mean = {};
  clock.begin(Phase::store);
  take_results(weights, std::move(result), out);
  clock.begin(Phase::advance);
  OutputError error(run_.queue);
  streams.quantized->run_block(
      *streams.block, weights.quantized(), save.quantized,
      [&](std::uint32_t i, const TensorView& x) { error.add(x, streams.full->residuals().open(i)); });
  clock.end();
  out.report.relative_error = error.relative();
  return out;
}

}  // namespace

void replay(WorkingBlock& weights, const std::vector<std::pair<std::string, QuantizedLinear>>& linears,
            Streams& streams) {
  for (std::uint32_t l = 0; l < weights.size(); ++l) weights.make_dense(l);
  streams.full->run_block(*streams.block, weights.full(), {});
  std::size_t at = 0;
  for (std::uint32_t l = 0; l < weights.size(); ++l) {
    if (!weights.settings(l).quantize) continue;
    weights.drop_dense(l);
    weights.set_packed(l, linears[at++].second);
  }
  streams.quantized->run_block(*streams.block, weights.quantized(), {});
}

std::unique_ptr<BlockSolver> make_block_solver(const RunContext& run, StepDone step_done) {
  return std::make_unique<BlockWiseSolver>(run, std::move(step_done));
}

}  // namespace apiq::calib
