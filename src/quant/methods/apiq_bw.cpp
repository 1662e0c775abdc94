#include "quant/methods/apiq_bw.hpp"

#include <algorithm>
#include <memory>

#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "optim/train_loop.hpp"
#include "quant/samples.hpp"
#include "quant/trained_linear.hpp"

namespace apiq::quant {

using runtime::Workspace;

namespace {

/// The linears of a block: those that are quantized with their training state, the others as they are.
class BlockTrainer {
 public:
  explicit BlockTrainer(const BlockProblem& problem);

  BlockResult run();

 private:
  void forward(std::uint32_t l, const TensorView& x, const TensorView& y);
  void backward(const StepInfo& info, std::uint32_t l, const TensorView& x, const TensorView& dy,
                const TensorView& dx, bool accumulate);
  void start_lora();
  void step(std::uint32_t batch, const StepInfo& info);

  const BlockProblem& problem_;
  Queue& queue_;
  std::vector<std::unique_ptr<TrainedLinear>> trained_;  // nullptr: left dense
  BlockFunction::Forward forward_ = [this](std::uint32_t l, const TensorView& x, const TensorView& y) {
    forward(l, x, y);
  };
};

BlockTrainer::BlockTrainer(const BlockProblem& problem) : problem_(problem), queue_(problem.queue) {
  for (const BlockLinear& l : problem.linears) {
    trained_.push_back(l.quantize ? std::make_unique<TrainedLinear>(
                                        queue_, l.weight, LinearSetup{l.spec, l.rank, l.alpha, l.seed},
                                        problem.train, problem.keep_effective_weights)
                                  : nullptr);
  }
}

void BlockTrainer::forward(std::uint32_t l, const TensorView& x, const TensorView& y) {
  if (trained_[l]) return trained_[l]->forward(x, y);
  ops::matmul_nt(queue_, queue_.device().rounding(runtime::Work::training), x, problem_.linears[l].weight, y);
}

void BlockTrainer::backward(const StepInfo& info, std::uint32_t l, const TensorView& x, const TensorView& dy,
                            const TensorView& dx, bool accumulate) {
  if (trained_[l]) return trained_[l]->backward(info, x, dy, dx, accumulate);
  if (dx.memory != nullptr)
    ops::matmul_nn(queue_, queue_.device().rounding(runtime::Work::gradient), dy, problem_.linears[l].weight,
                   dx, 1.0f, accumulate ? 1.0f : 0.0f);
}

/// Stage by stage, each seeing what the stages before it give with their LoRA in place (recipes, 2.2).
void BlockTrainer::start_lora() {
  const auto& stages = problem_.block.stages();
  for (std::uint32_t stage = 0; stage < stages.size(); ++stage) {
    const auto [first, end] = stages[stage];
    const auto inputs = [&](std::uint32_t i) {
      return problem_.block.stage_input(problem_.input(i), stage, forward_);
    };
    const DeviceTensor moments = lora_moments(queue_, problem_.train.lora_init, problem_.num_samples,
                                              problem_.linears[first].weight.shape[1], inputs);
    for (std::uint32_t l = first; l < end; ++l)
      if (trained_[l]) trained_[l]->start_lora(moments);
    problem_.step_done(0);
  }
}

void BlockTrainer::step(std::uint32_t batch, const StepInfo& info) {
  Workspace::Scope scope(queue_.workspace());
  const std::uint32_t size = problem_.train.batch_size;
  const TensorView x = gather(queue_, problem_.input, batch * size, size);
  const TensorView target = gather(queue_, problem_.target, batch * size, size);
  const TensorView y = queue_.workspace().allocate(DType::f32, x.shape);
  problem_.block.forward(x, forward_, y);
  ops::squared_error(queue_, y, target, 2.0f * problem_.target_weight / static_cast<float>(y.elements()), y,
                     info.loss);
  problem_.block.backward(
      y, [&](std::uint32_t l, const TensorView& input, const TensorView& dy, const TensorView& dx,
             bool accumulate) { backward(info, l, input, dy, dx, accumulate); });
  for (const auto& linear : trained_)
    if (linear) linear->guard(info);
  for (const auto& linear : trained_)
    if (linear) linear->step(info);
}

BlockResult BlockTrainer::run() {
  const bool has_lora = std::any_of(problem_.linears.begin(), problem_.linears.end(),
                                    [](const BlockLinear& l) { return l.quantize && l.rank != 0; });
  if (has_lora && problem_.train.lora_init != LoraInit::kaiming) start_lora();
  const std::uint32_t size = problem_.train.batch_size;
  problem_.training_begins();
  const double elements =
      static_cast<double>(size) * problem_.tokens_per_sample * static_cast<double>(problem_.hidden_size);
  optim::LoopResult loop =
      optim::train_loop({.queue = queue_,
                         .name = problem_.name,
                         .epochs = problem_.train.epochs,
                         .steps_per_epoch = problem_.num_samples / size,
                         .schedule = problem_.train.schedule,
                         .early_stop = problem_.train.early_stop,
                         .loss_scale = problem_.target_weight / elements,
                         .loss_offset = problem_.loss_offset,
                         .step = [this](std::uint32_t batch, const StepInfo& info) { step(batch, info); },
                         .step_done = problem_.step_done});
  BlockResult result{{}, std::move(loop.epoch_losses), loop.skipped_steps, std::move(loop.curve)};
  for (const auto& linear : trained_) result.linears.push_back(linear ? linear->store() : QuantizedLinear{});
  return result;
}

}  // namespace

MethodTraits ApiqBw::traits() const {
  // Defaults of the released code (specification, 3.4).
  return {.scope = Scope::block,
          .needs_inputs = true,
          .defaults = {.epochs = 20,
                       .lora_learning_rate = 5e-4f,
                       .clip_learning_rate = 5e-3f,
                       .lora_weight_decay = 0.1f,
                       .clip_weight_decay = 0.1f}};
}

BlockResult ApiqBw::quantize_block(const BlockProblem& problem) { return BlockTrainer(problem).run(); }

}  // namespace apiq::quant
