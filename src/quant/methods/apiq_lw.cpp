#include "quant/methods/apiq_lw.hpp"

#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "optim/train_loop.hpp"
#include "quant/gram.hpp"
#include "quant/samples.hpp"
#include "quant/trained_linear.hpp"

namespace apiq::quant {

using runtime::Workspace;

namespace {

/// L = mean (x M^T - target)^2 over one batch and its gradients.
void batch_step(const LinearProblem& problem, TrainedLinear& linear, std::uint32_t first_sample,
                const StepInfo& info) {
  Queue& queue = problem.queue;
  Workspace::Scope scope(queue.workspace());
  const std::uint32_t batch = problem.train.batch_size;
  const TensorView x = gather(queue, problem.input, first_sample, batch);
  const TensorView target = gather(queue, problem.target, first_sample, batch);
  const TensorView y = queue.workspace().allocate(DType::f32, target.shape);
  linear.forward(x, y);
  ops::squared_error(queue, y, target, 2.0f / static_cast<float>(y.elements()), y, info.loss);
  linear.backward(info, x, y, {}, false);
  linear.guard(info);
  linear.step(info);
}

optim::LoopResult train(const LinearProblem& problem, bool gram, TrainedLinear& linear) {
  const std::uint32_t batch = problem.train.batch_size;
  optim::LoopProblem loop{
      .queue = problem.queue,
      .name = problem.name,
      .epochs = problem.train.epochs,
      .steps_per_epoch = problem.num_samples / batch,
      .schedule = problem.train.schedule,
      .early_stop = problem.train.early_stop,
      .loss_scale = 1.0 / (static_cast<double>(batch) * problem.tokens_per_sample * problem.out_features()),
      .step = {},
      .step_done = problem.step_done};
  if (gram) {
    const GramObjective objective(problem);
    loop.loss_scale = 1.0;
    loop.step = [&](std::uint32_t, const StepInfo& info) { objective.step(linear, info); };
    return optim::train_loop(loop);
  }
  loop.step = [&](std::uint32_t index, const StepInfo& info) {
    batch_step(problem, linear, index * batch, info);
  };
  return optim::train_loop(loop);
}

}  // namespace

MethodTraits ApiqLw::traits() const {
  // Defaults of the authors' layer-wise development code (specification, 2.4).
  return {.needs_inputs = true,
          .defaults = {.epochs = 10,
                       .lora_learning_rate = 0.01f,
                       .clip_learning_rate = 0.01f,
                       .lora_weight_decay = 0.0f,
                       .clip_weight_decay = 0.0f}};
}

LinearResult ApiqLw::quantize_linear(const LinearProblem& problem) {
  TrainedLinear linear(problem.queue, problem.weight,
                       {problem.spec, problem.rank, problem.alpha, problem.seed}, problem.train, true);
  if (problem.train.lora_init != LoraInit::kaiming && problem.rank != 0)
    linear.start_lora(lora_moments(problem.queue, problem.train.lora_init, problem.num_samples,
                                   problem.in_features(), problem.input));
  problem.training_begins();
  optim::LoopResult trained = train(problem, own_.gram, linear);
  return {linear.store(), std::move(trained.epoch_losses), trained.skipped_steps, std::move(trained.curve)};
}

}  // namespace apiq::quant
