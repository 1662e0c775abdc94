// One linear layer while it is trained: grid, LoRA and, if asked, latent weights, with their optimizers. The
// layer computes y = x M^T with
//   M = What + c B A,   What = fake-quantized W (or latent weight),   c = alpha / rank
// and from G = dY^T X (out x in), a slab of rows at a time so that G is never stored whole:
//   dB = c G A^T,   dA = c B^T G,   d logits = group sums of G (specification, 1.5),   dW = G where the code
//   is not clipped
#pragma once
#include <optional>

#include "optim/adamw_state.hpp"
#include "quant/clipped_grid.hpp"
#include "quant/linear_problem.hpp"
#include "quant/lora_state.hpp"

namespace apiq::quant {

using optim::AdamwState;
using optim::StepInfo;

struct LinearSetup {
  ops::QuantSpec spec;
  std::uint32_t rank = 0;
  float alpha = 0;
  std::uint64_t seed = 0;
};

class TrainedLinear {
 public:
  /// weight f32 [out, in] is overwritten if latent weights are trained, and must outlive this object.
  /// keep_effective: M stays in memory of its own between uses; else it is computed into scratch memory at
  /// every use.
  TrainedLinear(Queue& queue, const TensorView& weight, const LinearSetup& settings,
                const TrainOptions& train, bool keep_effective);

  /// Device bytes of the state beside the weight, scratch memory not included.
  static std::uint64_t device_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                    std::uint32_t group_size, std::uint32_t rank, const TrainOptions& train,
                                    bool keep_effective);
  /// Scratch memory of one forward or backward beside that of the products.
  static std::uint64_t scratch_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                     bool keep_effective);

  /// LoRA that makes up for what rounding lost, seen through moments (see low_rank_correction; empty view:
  /// plain SVD). Once, before training.
  void start_lora(const TensorView& moments);

  /// y [rows, out] = x [rows, in] M^T.
  void forward(const TensorView& x, const TensorView& y);
  /// Gradients of everything trained, from dy [rows, out]; dx = (accumulate ? dx : 0) + dy M unless its
  /// memory is nullptr. Latent weights take their step here, slab by slab and each only if its gradients are
  /// finite; the rest in step().
  void backward(const StepInfo& info, const TensorView& x, const TensorView& dy, const TensorView& dx,
                bool accumulate);
  /// The same from rows begin .. of G themselves; overwrites them. rounding: of the products with A and B.
  void backward_rows(const StepInfo& info, runtime::Rounding rounding, std::uint64_t begin,
                     const TensorView& gradient);
  /// Makes info.loss NaN if a gradient is not finite. Before step() of everything trained in the same step,
  /// so that all of it is skipped together.
  void guard(const StepInfo& info);
  void step(const StepInfo& info);

  /// M: in memory of its own, or in scratch memory of the caller's scope.
  TensorView effective();
  /// Rounded to what is stored.
  QuantizedLinear store();

  /// Rows of G that are computed at a time.
  static std::uint64_t slab_rows(std::uint64_t out_features, std::uint64_t in_features);

  ClippedGrid& grid() { return grid_; }
  LoraState& lora() { return lora_; }
  const ops::QuantSpec& spec() const { return spec_; }
  const TensorView& d_logits() const { return d_logits_; }

 private:
  Queue& queue_;
  TensorView weight_;
  ops::QuantSpec spec_;
  std::uint64_t seed_;
  ClippedGrid grid_;
  LoraState lora_;
  DeviceTensor d_logits_, effective_;
  bool effective_is_current_ = false;
  AdamwState clip_optimizer_;
  std::optional<AdamwState> lora_optimizer_, weight_optimizer_;
};

}  // namespace apiq::quant
