// A decoder block as a function of its linears, f32, forward and backward.
#pragma once
#include <memory>

#include "model/block_run.hpp"

namespace apiq::model {

class DecoderBlock {
 public:
  /// tokens: of each sequence; rows of every tensor are whole sequences. input_gradient: backward goes on to
  /// the block's input, so that blocks can be chained. Everything named must outlive this.
  DecoderBlock(Queue& queue, const BlockSpec& spec, const RopeTables& rope, std::uint64_t tokens,
               bool input_gradient = false);

  /// f32 vectors in the order of the spec, before anything is computed. biases: empty tensors for linears
  /// without; what `linear` gives below is without them.
  void set_vectors(std::span<const DeviceTensor> norms, std::span<const DeviceTensor> biases = {}) {
    context_.norms = norms;
    context_.biases = biases;
  }

  /// y [rows, hidden] = block(x). Keeps in the workspace what backward() needs: open a Workspace::Scope
  /// around both. y must not alias x; x must stay valid until backward().
  void forward(const TensorView& x, const LinearForward& linear, const TensorView& y);
  /// After forward(): `linear` for every linear, last stage first. dy is overwritten. Gives the gradient of
  /// x, in dy or the workspace; an empty view without input_gradient.
  TensorView backward(const TensorView& dy, const LinearBackward& linear);
  /// The input of a stage alone, in the workspace; `linear` computes the stages before it.
  TensorView stage_input(const TensorView& x, std::uint32_t stage, const LinearForward& linear) const;

 private:
  BlockContext context_;
  bool input_gradient_;
  std::uint64_t planned_rows_ = 0;
  BlockPlan plan_;
  std::unique_ptr<BlockRun> run_;  // of the last forward
};

}  // namespace apiq::model
