#include "calib/scheduler.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>

#include "apiq/error.hpp"
#include "calib/stop.hpp"
#include "calib/stream.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "util/random.hpp"

namespace apiq::calib {

using model::Linear;
using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Device memory one linear's calibration needs beside the stores: dense weights of a stage, the trained copies and gradients of the
/// largest linear with its grid and optimizer, one sample's activations, and the 16 MiB that a product may take for each operand's panels.
/// Stores may use the rest.
std::uint64_t working_set_bytes(const ModelConfig& c, const QuantizeOptions& o, std::uint64_t tokens) {
  const std::uint64_t hidden = c.hidden_size, wide = c.intermediate_size, q = c.q_features(), kv = c.kv_features();
  const std::uint64_t stage = std::max({(q + 2 * kv) * hidden, hidden * q, 2 * wide * hidden});
  const std::uint64_t largest = std::max(wide * hidden, q * hidden), group = o.group_size != 0 ? o.group_size : hidden;
  const std::uint64_t training = 3 * largest + 10 * largest / group + 4 * std::uint64_t{o.rank} * (hidden + std::max(wide, q));
  const std::uint64_t activations = tokens * (4 * hidden + 3 * std::max(wide, q + 2 * kv)) * o.batch_size;
  return 4 * (stage + training + activations) + (std::uint64_t{32} << 20);
}

/// "block 3/6  loss 1.2e-02 -> 9.1e-03  relative output error 4.0e-02  3.1 s": of what was measured.
std::string block_line(const BlockReport& block, std::uint32_t num_blocks) {
  char part[64];
  std::string line = "block " + std::to_string(block.index + 1) + "/" + std::to_string(num_blocks);
  const auto append = [&](const char* format, auto... values) {
    std::snprintf(part, sizeof part, format, values...);
    line += part;
  };
  if (std::isfinite(block.loss_last)) append("  loss %.4e -> %.4e", block.loss_first, block.loss_last);
  if (std::isfinite(block.relative_error)) append("  relative output error %.4e", block.relative_error);
  append("  %.1f s", block.seconds);
  return line;
}

class Schedule {
 public:
  Schedule(Queue& queue, const ModelDirectory& model, quant::Method& method, const QuantizeOptions& options, const quant::TrainOptions& train,
           const CalibrationSet& set, const LinearSink& sink, const Callbacks& callbacks)
      : queue_(queue),
        model_(model),
        config_(model.config()),
        method_(method),
        options_(options),
        train_(train),
        set_(set),
        sink_(sink),
        callbacks_(callbacks) {
    const bool trains = method.traits().needs_inputs;
    steps_per_linear_ = trains ? std::uint64_t{train.epochs} * (set.samples.size() / train.batch_size) : 1;
    total_steps_ = steps_per_linear_ * config_.num_hidden_layers * model::kLinearCount;
  }

  ScheduleResult run();

 private:
  void start_streams();
  BlockReport run_block(std::uint32_t index);
  void run_stage(std::uint32_t block, std::uint32_t stage, BlockReport& report);
  void solve(std::uint32_t block, std::uint32_t linear, BlockReport& report);
  double output_error();
  DeviceTensor upload(const std::string& name) const { return model::upload_f32(queue_, *model_.tensors().find(name), model_.tensors().bytes(name)); }
  void report_progress(std::uint32_t block, std::uint32_t linear, std::uint64_t steps) const;

  Queue& queue_;
  const ModelDirectory& model_;
  const ModelConfig& config_;
  quant::Method& method_;
  const QuantizeOptions& options_;
  const quant::TrainOptions& train_;
  const CalibrationSet& set_;
  const LinearSink& sink_;
  const Callbacks& callbacks_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::uint64_t steps_per_linear_, total_steps_, reserve_ = 0;
  std::optional<model::RopeTables> rope_;
  std::optional<Stream> full_, quantized_;
  std::array<DeviceTensor, model::kLinearCount> dense_;  // the current stage's weights, f32
  std::array<Linear, model::kLinearCount> packed_;       // the current stage's results
  std::uint64_t skipped_steps_ = 0;
};

void Schedule::start_streams() {
  if (set_.samples.empty()) return;
  rope_.emplace(queue_, config_, set_.sequence_length);
  reserve_ = working_set_bytes(config_, options_, set_.sequence_length);
  const TensorInfo& info = *model_.tensors().find("model.embed_tokens.weight");
  const DeviceTensor embedding = model::upload_tensor(queue_, info, model_.tensors().bytes(info.name));
  full_.emplace(queue_, config_, *rope_, set_, embedding, reserve_, callbacks_);
  quantized_.emplace(queue_, config_, *rope_, set_, embedding, reserve_, callbacks_);
}

ScheduleResult Schedule::run() {
  start_streams();
  ScheduleResult result;
  for (std::uint32_t i = 0; i < config_.num_hidden_layers; ++i) {
    result.blocks.push_back(run_block(i));
    if (callbacks_.message) callbacks_.message(block_line(result.blocks.back(), config_.num_hidden_layers));
  }
  result.skipped_steps = skipped_steps_;
  return result;
}

BlockReport Schedule::run_block(std::uint32_t index) {
  const auto begin = std::chrono::steady_clock::now();
  BlockReport report;
  report.index = index;
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const DeviceTensor input_norm = upload(prefix + "input_layernorm.weight"), post_norm = upload(prefix + "post_attention_layernorm.weight");
  const ApplyLinear apply_full = [&](std::uint32_t l, const TensorView& x, const TensorView& y) { ops::matmul_nt(queue_, x, dense_[l], y); };
  const ApplyLinear apply_packed = [&](std::uint32_t l, const TensorView& x, const TensorView& y) { packed_[l].forward(queue_, x, y); };
  if (full_) {
    full_->begin_block(input_norm);
    quantized_->begin_block(input_norm);
  }
  for (std::uint32_t stage = 0; stage < model::kStages.size(); ++stage) {
    run_stage(index, stage, report);
    if (!full_) continue;
    if (stage + 1 < model::kStages.size()) {
      full_->advance(stage, apply_full, post_norm);
      quantized_->advance(stage, apply_packed, post_norm);
    } else {
      full_->end_block(apply_full);
      quantized_->end_block(apply_packed);
    }
  }
  report.loss_first /= model::kLinearCount;
  report.loss_last /= model::kLinearCount;
  report.relative_error = output_error();
  report.seconds = seconds_since(begin);
  return report;
}

void Schedule::run_stage(std::uint32_t block, std::uint32_t stage, BlockReport& report) {
  // The last stage's weights make room for this one's.
  dense_ = {};
  packed_ = {};
  const auto [first, end] = model::kStages[stage];
  for (std::uint32_t l = first; l < end; ++l) dense_[l] = upload(linear_tensor_name(block, kBlockLinears[l]));
  for (std::uint32_t l = first; l < end; ++l) solve(block, l, report);
}

void Schedule::solve(std::uint32_t block, std::uint32_t linear, BlockReport& report) {
  const TensorView weight = dense_[linear];
  const auto in_features = static_cast<std::uint32_t>(weight.shape[1]);
  quant::LinearProblem problem{.queue = queue_,
                               .name = "model.layers." + std::to_string(block) + "." + kBlockLinears[linear],
                               .seed = CounterRandom(options_.seed, std::uint64_t{block} * model::kLinearCount + linear).bits(0),
                               .weight = weight,
                               .spec = {options_.bits, options_.group_size != 0 ? options_.group_size : in_features, options_.symmetric, true},
                               .rank = options_.rank,
                               .alpha = options_.alpha,
                               .train = train_,
                               .input = {},
                               .target = {},
                               .step_done = {}};
  ActivationStore targets;
  if (method_.traits().needs_inputs) {
    problem.num_samples = static_cast<std::uint32_t>(set_.samples.size());
    problem.tokens_per_sample = set_.sequence_length;
    targets = make_store(queue_, {problem.num_samples, set_.sequence_length, weight.shape[0]}, reserve_, "full-precision outputs");
    for (std::uint32_t i = 0; i < problem.num_samples; ++i) {
      throw_if_stopped(callbacks_);
      ops::matmul_nt(queue_, full_->inputs().open(i), weight, targets.create(i));
      targets.commit(i);
    }
    problem.input = [&](std::uint32_t i) { return quantized_->inputs().open(i); };
    problem.target = [&](std::uint32_t i) { return targets.open(i); };
  }
  problem.step_done = [&](std::uint64_t steps) { report_progress(block, linear, steps); };
  report_progress(block, linear, 0);
  const quant::LinearResult result = method_.quantize_linear(problem);
  report.loss_first += result.loss_first;
  report.loss_last += result.loss_last;
  skipped_steps_ += result.skipped_steps;
  if (full_) packed_[linear] = Linear::packed(queue_, result.linear);
  sink_(problem.name, result.linear);
}

double Schedule::output_error() {
  if (!full_) return NAN;
  const DeviceTensor sums(queue_.device(), DType::f32, {2}, "error sums");
  double difference = 0, size = 0;
  for (std::uint32_t i = 0; i < set_.samples.size(); ++i) {
    ops::relative_error_sums(queue_, quantized_->residuals().open(i), full_->residuals().open(i), sums);
    const auto values = runtime::read_floats(queue_, sums);
    difference += values[0];
    size += values[1];
  }
  return difference / size;
}

void Schedule::report_progress(std::uint32_t block, std::uint32_t linear, std::uint64_t steps) const {
  throw_if_stopped(callbacks_);
  if (!callbacks_.progress) return;
  const std::uint64_t done = (std::uint64_t{block} * model::kLinearCount + linear) * steps_per_linear_ + steps;
  callbacks_.progress({"block " + std::to_string(block + 1) + "/" + std::to_string(config_.num_hidden_layers) + " " + kBlockLinears[linear], done,
                       total_steps_, seconds_since(begin_)});
}

}  // namespace

ScheduleResult run_schedule(Queue& queue, const ModelDirectory& model, quant::Method& method, const QuantizeOptions& options,
                            const quant::TrainOptions& train, const CalibrationSet& set, const LinearSink& sink, const Callbacks& callbacks) {
  return Schedule(queue, model, method, options, train, set, sink, callbacks).run();
}

}  // namespace apiq::calib
