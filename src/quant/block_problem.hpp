// What a block-wise method sees: the linears of one decoder block, and the block as a function whose linears
// are left open.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "quant/linear_problem.hpp"

namespace apiq::quant {

/// A residual block whose linears the caller supplies. Linears are grouped into stages: those of a stage read
/// one common input, and the inputs of a stage depend on the outputs of the stages before it only. rows =
/// sequences * tokens of each.
class BlockFunction {
 public:
  /// y [rows, out_features] = linear(x [rows, in_features]). x stays valid until backward.
  using Forward = std::function<void(std::uint32_t linear, const TensorView& x, const TensorView& y)>;
  /// From dy [rows, out_features] and the x of forward: this linear's own gradients, and dx [rows,
  /// in_features] = (accumulate ? dx : 0) + dy W unless dx.memory is nullptr.
  using Backward = std::function<void(std::uint32_t linear, const TensorView& x, const TensorView& dy,
                                      const TensorView& dx, bool accumulate)>;

  virtual ~BlockFunction() = default;
  /// y f32 [rows, hidden] = block(x f32 [rows, hidden]). Keeps in the queue's workspace what backward()
  /// needs: open a Workspace::Scope around both calls. y must not alias x; x must stay valid until
  /// backward().
  virtual void forward(const TensorView& x, const Forward& linear, const TensorView& y) = 0;
  /// The input of stage `stage` alone, in the workspace; calls `linear` for the stages before it.
  virtual TensorView stage_input(const TensorView& x, std::uint32_t stage, const Forward& linear) = 0;
  /// After forward(): calls `linear` for every linear, last stage first. dy f32 [rows, hidden] may be
  /// overwritten.
  virtual void backward(const TensorView& dy, const Backward& linear) = 0;
  /// [first, end) linears of each stage.
  virtual const std::vector<std::array<std::uint32_t, 2>>& stages() const = 0;
};

struct BlockLinear {
  std::string name;        // "model.layers.0.mlp.up_proj"
  std::uint64_t seed = 0;  // of this linear
  TensorView weight;       // f32 [out_features, in_features]; the method may overwrite it
  bool quantize = true;    // false: stays dense, nothing of it is trained
  ops::QuantSpec spec;
  std::uint32_t rank = 0;
  float alpha = 0;
};

/// One decoder block to quantize against outputs it should give.
struct BlockProblem {
  Queue& queue;
  std::string name;  // "model.layers.0"
  BlockFunction& block;
  std::vector<BlockLinear> linears;
  TrainOptions train;
  bool keep_effective_weights =
      true;  // of all linears between forward and backward; else each is computed again

  std::uint32_t num_samples = 0;
  std::uint32_t tokens_per_sample = 0;
  std::uint64_t hidden_size = 0;
  /// Block input of sample i in the quantized stream, f32 [tokens_per_sample, hidden]; valid until the next
  /// call.
  std::function<TensorView(std::uint32_t)> input;
  /// What the block should give for it, of the same shape; valid until the next call.
  std::function<TensorView(std::uint32_t)> target;
  /// loss = target_weight * mean (y - target)^2 + loss_offset: two targets are one, their mean, with weight 2
  /// (specification, 3.1).
  float target_weight = 1;
  double loss_offset = 0;
  /// Called once, when everything has its start value.
  std::function<void()> training_begins;
  /// Called after every step with steps done; throws Interrupted when the run should stop.
  std::function<void(std::uint64_t)> step_done;
};

struct BlockResult {
  std::vector<QuantizedLinear>
      linears;  // exactly what is stored, in the problem's order; default-constructed for those left dense
  std::vector<double> epoch_losses;
  std::uint64_t skipped_steps = 0;
  LossCurve curve;  // of the steps
};

}  // namespace apiq::quant
