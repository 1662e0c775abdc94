// What a method sees of one linear layer: its weight, the inputs it will get in the quantized model, the
// outputs it should give.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apiq/block_report.hpp"
#include "apiq/method_options.hpp"
#include "codec/quantized_linear.hpp"
#include "ops/fake_quant.hpp"
#include "runtime/queue.hpp"

namespace apiq::quant {

using runtime::Queue;
using runtime::TensorView;

/// One linear layer to quantize. Samples are calibration windows of tokens_per_sample tokens each.
struct LinearProblem {
  Queue& queue;
  std::string name;        // "model.layers.0.mlp.up_proj"
  std::uint64_t seed = 0;  // of this linear: mixes the run's seed, block and position
  TensorView weight;       // f32 [out_features, in_features]
  ops::QuantSpec spec;
  std::uint32_t rank = 0;
  float alpha = 0;
  TrainOptions train;

  std::uint32_t num_samples = 0;  // 0 if the method needs no inputs
  std::uint32_t tokens_per_sample = 0;
  /// Inputs of sample i in the quantized stream, f32 [tokens_per_sample, in_features]; valid until the next
  /// call.
  std::function<TensorView(std::uint32_t)> input;
  /// Outputs of sample i in the full-precision stream, f32 [tokens_per_sample, out_features]; valid until the
  /// next call.
  std::function<TensorView(std::uint32_t)> target;
  /// Called once, when everything has its start value.
  std::function<void()> training_begins;
  /// Called after every step with steps done; throws Interrupted when the run should stop.
  std::function<void(std::uint64_t)> step_done;

  std::uint32_t out_features() const { return static_cast<std::uint32_t>(weight.shape[0]); }
  std::uint32_t in_features() const { return static_cast<std::uint32_t>(weight.shape[1]); }
  std::uint32_t groups() const { return in_features() / spec.group_size; }
};

struct LinearResult {
  QuantizedLinear linear;            // exactly what is stored
  std::vector<double> epoch_losses;  // mean squared error over each epoch; empty if nothing was trained
  std::uint64_t skipped_steps = 0;
  LossCurve curve;  // of the steps
};

}  // namespace apiq::quant
