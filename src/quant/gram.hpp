// The layer-wise objective in Gram form (specification, 2.5): the whole calibration set in two matrices, so
// that a full-batch step costs out * in^2 whatever the number of tokens.
//   H = Xq^T Xq,  C = W (X^T Xq) = target^T Xq,  n = tokens * out
//   L = (tr(M H M^T) - 2 tr(C M^T) + sum target^2) / n,   G = dL/dM = (2 / n) (M H - C)
#pragma once
#include "quant/trained_linear.hpp"

namespace apiq::quant {

class GramObjective {
 public:
  /// Reads all samples once. Sums are f32, over at most 2^32 tokens.
  explicit GramObjective(const LinearProblem& problem);

  /// One full-batch step; info.loss receives L, a difference of sums as large as sum target^2 / n: where the
  /// fit is good it may be off by 1e-6 of those, and below zero.
  void step(TrainedLinear& linear, const StepInfo& info) const;

  static std::uint64_t device_bytes(std::uint64_t out_features, std::uint64_t in_features) {
    return sizeof(float) * (in_features * in_features + out_features * in_features);
  }
  /// Scratch memory of a step beside that of TrainedLinear.
  static std::uint64_t scratch_bytes(std::uint64_t out_features, std::uint64_t in_features) {
    return sizeof(float) * out_features * in_features;
  }

 private:
  Queue& queue_;
  float scale_;            // 1 / n
  DeviceTensor moments_;   // H / n
  DeviceTensor cross_;     // C / n
  DeviceTensor constant_;  // f32 [1]: sum target^2 / n
};

}  // namespace apiq::quant
