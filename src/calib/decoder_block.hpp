// A Llama decoder block as a function of its linears, forward and backward (specification, 3.5): what
// block-wise methods train through.
#pragma once
#include "model/block.hpp"
#include "quant/block_problem.hpp"

namespace apiq::calib {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

/// What forward keeps for backward: everything, or only what attention needs, the MLP's activations being
/// computed again (their linears' forward is then called twice a step).
enum class Keep { all, attention };

class DecoderBlock : public quant::BlockFunction {
 public:
  /// tokens: of each sequence; rows of every tensor are whole sequences. Norms and tables must outlive the
  /// block.
  DecoderBlock(Queue& queue, const ModelConfig& config, const model::RopeTables& rope, std::uint64_t tokens,
               Keep keep);

  void set_norms(const TensorView& input_norm, const TensorView& post_attention_norm);

  void forward(const TensorView& x, const Forward& linear, const TensorView& y) override;
  TensorView stage_input(const TensorView& x, std::uint32_t stage, const Forward& linear) override;
  void backward(const TensorView& dy, const Backward& linear) override;
  const std::vector<std::array<std::uint32_t, 2>>& stages() const override { return stages_; }

  /// Workspace bytes of forward and backward on this many rows, without those of the linears.
  static std::uint64_t scratch_bytes(const ModelConfig& config, std::uint64_t rows, Keep keep);

 private:
  TensorView scratch(std::uint64_t rows, std::uint64_t features) const;
  void attention_part(const TensorView& x, const Forward& linear, std::uint32_t last_stage);
  void mlp_part(const Forward& linear, std::uint32_t last_stage);
  void attention_backward(const TensorView& d_x2, const Backward& linear);

  Queue& queue_;
  const ModelConfig& config_;
  const model::RopeTables& rope_;
  std::uint64_t tokens_;
  Keep keep_;
  std::vector<std::array<std::uint32_t, 2>> stages_;
  TensorView input_norm_, post_norm_;
  // Of the last forward, in the queue's workspace: h1 = rmsnorm(x), rotated q and k, v, a = attention, x2 = x
  // + o(a), h2 = rmsnorm(x2), m = silu(gate) up.
  TensorView h1_, q_, k_, v_, lse_, a_, x2_, h2_, gate_, up_, m_;
  Forward linear_;  // of the last forward, for what is computed again
};

}  // namespace apiq::calib
