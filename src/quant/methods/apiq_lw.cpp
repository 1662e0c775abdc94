#include "quant/methods/apiq_lw.hpp"

#include <cmath>
#include <optional>

#include "quant/adamw_state.hpp"
#include "quant/linear_gradients.hpp"

namespace apiq::quant {

using runtime::Workspace;

namespace {

/// One linear's training: state on the device, the loop on the host.
class Trainer {
 public:
  explicit Trainer(const LinearProblem& problem)
      : problem_(problem),
        queue_(problem.queue),
        grid_(queue_, problem.weight, problem.spec),
        lora_(queue_, problem.out_features(), problem.in_features(), problem.rank, problem.alpha, problem.seed),
        gradients_(queue_, grid_, lora_, problem.weight.shape),
        clip_optimizer_(queue_, grid_.logits(), problem.train.clip_learning_rate, problem.train.clip_weight_decay) {
    if (problem.rank != 0) lora_optimizer_.emplace(queue_, lora_.parameters(), problem.train.lora_learning_rate, problem.train.lora_weight_decay);
  }

  LinearResult run();

 private:
  void step(std::uint32_t first_sample, const TensorView& loss);
  TensorView gather(const std::function<TensorView(std::uint32_t)>& one, std::uint32_t first_sample, std::uint64_t features);

  const LinearProblem& problem_;
  Queue& queue_;
  ClippedGrid grid_;
  LoraState lora_;
  LinearGradients gradients_;
  AdamwState clip_optimizer_;
  std::optional<AdamwState> lora_optimizer_;
  std::uint32_t steps_ = 0;
};

/// The samples of one batch under each other; a single one where it lies.
TensorView Trainer::gather(const std::function<TensorView(std::uint32_t)>& one, std::uint32_t first_sample, std::uint64_t features) {
  const std::uint32_t batch = problem_.train.batch_size;
  const std::uint64_t tokens = problem_.tokens_per_sample;
  if (batch == 1) return one(first_sample);
  const TensorView all = queue_.workspace().allocate(DType::f32, {batch * tokens, features});
  for (std::uint32_t b = 0; b < batch; ++b) queue_.copy(one(first_sample + b), all.rows(b * tokens, tokens));
  return all;
}

void Trainer::step(std::uint32_t first_sample, const TensorView& loss) {
  Workspace::Scope scope(queue_.workspace());
  const TensorView x = gather(problem_.input, first_sample, problem_.in_features());
  const TensorView target = gather(problem_.target, first_sample, problem_.out_features());
  gradients_.compute(x, target, loss);
  ++steps_;
  if (lora_optimizer_) lora_optimizer_->step(queue_, steps_, loss, lora_.gradients());
  clip_optimizer_.step(queue_, steps_, loss, gradients_.d_logits());
  grid_.update();
}

LinearResult Trainer::run() {
  const TrainOptions& train = problem_.train;
  const std::uint32_t batches = problem_.num_samples / train.batch_size;
  const double outputs = static_cast<double>(train.batch_size) * problem_.tokens_per_sample * problem_.out_features();
  const DeviceTensor losses(queue_.device(), DType::f32, {batches}, "losses");
  LinearResult result;
  // Samples keep their order: the authors shuffle every epoch, which was no clear gain on our models (docs/methods.md).
  for (std::uint32_t epoch = 0; epoch < train.epochs; ++epoch) {
    for (std::uint32_t batch = 0; batch < batches; ++batch) {
      step(batch * train.batch_size, losses.view().rows(batch, 1));
      problem_.step_done(steps_);
    }
    double total = 0;
    std::uint32_t taken = 0;
    for (const float loss : runtime::read_floats(queue_, losses)) {
      if (std::isfinite(loss)) total += loss, ++taken;
    }
    result.skipped_steps += batches - taken;
    result.loss_last = total / (taken * outputs);  // NaN if every step was skipped
    if (epoch == 0) result.loss_first = result.loss_last;
  }
  result.linear.weight = grid_.pack();
  result.linear.symmetric = problem_.spec.symmetric;
  lora_.store(queue_, result.linear);
  return result;
}

}  // namespace

MethodTraits ApiqLw::traits() const {
  // Defaults of the authors' layer-wise development code (specification, 2.4).
  return {.needs_inputs = true,
          .uses_lora = true,
          .defaults = {.epochs = 10, .lora_learning_rate = 0.01f, .clip_learning_rate = 0.01f, .lora_weight_decay = 0.0f, .clip_weight_decay = 0.0f}};
}

LinearResult ApiqLw::quantize_linear(const LinearProblem& problem) { return Trainer(problem).run(); }

}  // namespace apiq::quant
