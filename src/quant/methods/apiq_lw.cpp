#include "quant/methods/apiq_lw.hpp"

#include <cmath>
#include <numeric>
#include <optional>

#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "quant/adamw_state.hpp"
#include "quant/clipped_grid.hpp"
#include "quant/lora_state.hpp"
#include "util/random.hpp"

namespace apiq::quant {

using runtime::Workspace;

namespace {

/// Order of the samples in one epoch: a random permutation (Fisher-Yates over a counter-based stream).
std::vector<std::uint32_t> epoch_order(std::uint64_t seed, std::uint32_t epoch, std::uint32_t num_samples) {
  std::vector<std::uint32_t> order(num_samples);
  std::iota(order.begin(), order.end(), 0u);
  const CounterRandom random(seed, 1 + epoch);
  for (std::uint32_t i = num_samples; i > 1; --i) std::swap(order[i - 1], order[random.below(i, i)]);
  return order;
}

/// Everything one linear's training keeps on the device.
class Trainer {
 public:
  explicit Trainer(const LinearProblem& problem)
      : problem_(problem),
        queue_(problem.queue),
        grid_(queue_, problem.weight, problem.spec),
        lora_(queue_, problem.out_features(), problem.in_features(), problem.rank, problem.alpha, problem.seed),
        clip_optimizer_(queue_, grid_.logits(), problem.train.clip_learning_rate, problem.train.clip_weight_decay),
        what_(queue_.device(), DType::f32, problem.weight.shape, "fake-quantized weight"),
        d_what_(queue_.device(), DType::f32, problem.weight.shape, "weight gradient"),
        d_logits_(queue_.device(), DType::f32, grid_.logits().shape, "logit gradients") {
    if (problem.rank != 0) lora_optimizer_.emplace(queue_, lora_.parameters(), problem.train.lora_learning_rate, problem.train.lora_weight_decay);
  }

  LinearResult run();

 private:
  void step(const TensorView& x, const TensorView& target, const TensorView& loss);
  void gather(const std::vector<std::uint32_t>& order, std::uint32_t first, const TensorView& x, const TensorView& target);

  const LinearProblem& problem_;
  Queue& queue_;
  ClippedGrid grid_;
  LoraState lora_;
  AdamwState clip_optimizer_;
  std::optional<AdamwState> lora_optimizer_;
  DeviceTensor what_, d_what_, d_logits_;
  std::uint32_t steps_ = 0;
};

/// Copies the samples of one batch side by side.
void Trainer::gather(const std::vector<std::uint32_t>& order, std::uint32_t first, const TensorView& x, const TensorView& target) {
  const std::uint64_t tokens = problem_.tokens_per_sample;
  for (std::uint32_t b = 0; b < problem_.train.batch_size; ++b) {
    queue_.copy(problem_.input(order[first + b]), x.rows(b * tokens, tokens));
    queue_.copy(problem_.target(order[first + b]), target.rows(b * tokens, tokens));
  }
}

/// Closed-form gradients of section 2.5; n = tokens * out:  dY = 2 (Y - target) / n,  dWhat = dY^T X,  dB = c dY^T (X A^T),  dA = c (dY B)^T X.
void Trainer::step(const TensorView& x, const TensorView& target, const TensorView& loss) {
  Workspace::Scope scope(queue_.workspace());
  const std::uint64_t tokens = x.shape[0], out = problem_.out_features(), rank = problem_.rank;
  const float c = lora_.scaling();
  const auto scratch = [&](std::uint64_t features) { return queue_.workspace().allocate(DType::f32, {tokens, features}); };

  grid_.update();
  grid_.fake_quantize(what_);
  const TensorView y = scratch(out);
  ops::matmul_nt(queue_, x, what_, y);
  const TensorView t = rank != 0 ? scratch(rank) : TensorView{};
  if (rank != 0) {
    ops::matmul_nt(queue_, x, lora_.A(), t);
    ops::matmul_nt(queue_, t, lora_.B(), y, c, 1.0f);
  }
  ops::squared_error(queue_, y, target, 2.0f / static_cast<float>(tokens * out), y, loss);  // y becomes dY
  ops::matmul_tn(queue_, y, x, d_what_);
  grid_.backward(d_what_, d_logits_);
  ++steps_;
  if (rank != 0) {
    ops::matmul_tn(queue_, y, t, lora_.dB(), c);
    const TensorView u = scratch(rank);
    ops::matmul_nn(queue_, y, lora_.B(), u);
    ops::matmul_tn(queue_, u, x, lora_.dA(), c);
    lora_optimizer_->step(queue_, steps_, loss, lora_.gradients());
  }
  clip_optimizer_.step(queue_, steps_, loss, d_logits_);
}

LinearResult Trainer::run() {
  const TrainOptions& train = problem_.train;
  const std::uint64_t tokens = std::uint64_t{train.batch_size} * problem_.tokens_per_sample;
  const std::uint32_t batches = problem_.num_samples / train.batch_size;  // a remainder is dropped, as in the paper's code
  const DeviceTensor losses(queue_.device(), DType::f32, {batches, 1}, "losses");
  const TensorView losses_view = losses;
  Workspace::Scope scope(queue_.workspace());
  TensorView x, target;
  if (train.batch_size > 1) {
    x = queue_.workspace().allocate(DType::f32, {tokens, problem_.in_features()});
    target = queue_.workspace().allocate(DType::f32, {tokens, problem_.out_features()});
  }

  LinearResult result;
  for (std::uint32_t epoch = 0; epoch < train.epochs; ++epoch) {
    const auto order = epoch_order(problem_.seed, epoch, problem_.num_samples);
    for (std::uint32_t batch = 0; batch < batches; ++batch) {
      if (train.batch_size > 1) {
        gather(order, batch * train.batch_size, x, target);
      } else {
        x = problem_.input(order[batch]);
        target = problem_.target(order[batch]);
      }
      step(x, target, losses_view.rows(batch, 1).reshaped({1}));
      problem_.step_done(steps_);
    }
    double total = 0;
    std::uint32_t finite = 0;
    for (const float loss : runtime::read_floats(queue_, losses)) {
      if (std::isfinite(loss)) total += loss, ++finite;
      else ++result.skipped_steps;
    }
    const double mean = finite ? total / finite / static_cast<double>(tokens * problem_.out_features()) : NAN;
    if (epoch == 0) result.loss_first = mean;
    result.loss_last = mean;
  }
  grid_.update();
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
          .defaults = {.epochs = 10,
                       .batch_size = 1,
                       .lora_learning_rate = 0.01f,
                       .clip_learning_rate = 0.01f,
                       .lora_weight_decay = 0.0f,
                       .clip_weight_decay = 0.0f}};
}

LinearResult ApiqLw::quantize_linear(const LinearProblem& problem) { return Trainer(problem).run(); }

}  // namespace apiq::quant
