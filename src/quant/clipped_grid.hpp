// The group grid of one weight on the device: ranges, clipping logits, scale and zero point, and the stored
// form they end in. What all methods with the uniform grid share.
#pragma once
#include "codec/quantized_linear.hpp"
#include "ops/fake_quant.hpp"
#include "runtime/queue.hpp"

namespace apiq::quant {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

/// Logit at which clipping starts: sigmoid(4) = 0.982 (ApiQ and OmniQuant).
inline constexpr float kInitialLogit = 4.0f;

class ClippedGrid {
 public:
  /// Reads the group ranges of weight f32 [out, in] (whose memory must outlive the grid); both logits start
  /// at kInitialLogit. The ranges stay those of this moment, whatever becomes of the weight: latent weights
  /// train on the grid of the original.
  ClippedGrid(Queue& queue, const TensorView& weight, const ops::QuantSpec& spec);

  static std::uint64_t device_bytes(std::uint64_t out_features, std::uint64_t groups) {
    return 6 * sizeof(float) * out_features * groups;
  }

  /// Both logits as one tensor f32 [2, out, groups]: upbound first. An optimizer steps them in one launch.
  const TensorView& logits() const { return logits_; }
  TensorView scale() const { return scale_; }
  TensorView zero() const { return zero_; }

  /// Starts clipping at the shrink of each group's range with the least squared rounding error.
  void search_range();
  /// scale and zero from the current logits. Call after every change of the logits.
  void update();
  /// what f32 [out, in] on the current grid.
  void fake_quantize(const TensorView& what);
  /// For rows begin .. begin + count: their part of d_logits f32 [2, out, groups] from d_what f32 [count,
  /// in], and d_w (which may be d_what itself) if its memory is not nullptr.
  void backward(std::uint64_t begin, std::uint64_t count, const TensorView& d_what,
                const TensorView& d_logits, const TensorView& d_w = {});
  /// Codes, scales and zero points of the current grid, packed, on the host.
  PackedMatrix pack();

 private:
  TensorView half(const TensorView& pair, std::uint64_t index) const;
  Queue& queue_;
  TensorView weight_;
  ops::QuantSpec spec_;
  DeviceTensor xmin_, xmax_, logits_, scale_, zero_;
};

}  // namespace apiq::quant
