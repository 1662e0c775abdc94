// The group grid of one weight on the device: ranges, clipping logits, scale and zero point, and the stored form they end in. What rtn, apiq-lw
// and later methods with the same uniform grid share.
#pragma once
#include "ops/fake_quant.hpp"
#include "runtime/queue.hpp"
#include "tensor/quantized_linear.hpp"

namespace apiq::quant {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

/// Logit at which clipping starts: sigmoid(4) = 0.982 (ApiQ and OmniQuant).
inline constexpr float kInitialLogit = 4.0f;

class ClippedGrid {
 public:
  /// Reads the group ranges of weight f32 [out, in] (which must outlive the grid); both logits start at kInitialLogit.
  ClippedGrid(Queue& queue, const TensorView& weight, const ops::QuantSpec& spec);

  /// Both logits as one tensor f32 [2, out, groups]: upbound first. An optimizer steps them in one launch.
  const TensorView& logits() const { return logits_; }
  TensorView scale() const { return scale_; }
  TensorView zero() const { return zero_; }

  /// scale and zero from the current logits. Call after every change of the logits.
  void update();
  /// what f32 [out, in] on the current grid.
  void fake_quantize(const TensorView& what);
  /// d_logits f32 [2, out, groups] from d_what f32 [out, in].
  void backward(const TensorView& d_what, const TensorView& d_logits);
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
