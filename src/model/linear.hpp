// One linear layer on the device, y = x W^T + bias: dense (a model directory's own precision) or packed with
// its LoRA branch; with a bias if the model has one.
#pragma once
#include <cstdint>

#include "ops/qmatmul.hpp"
#include "runtime/queue.hpp"
#include "tensor/quantized_linear.hpp"
#include "tensor/tensor_source.hpp"

namespace apiq::model {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

class Linear {
 public:
  Linear() = default;
  /// W [out, in]: f16 stays f16 (exact), f32 and bf16 become f32.
  static Linear dense(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes);
  static Linear dense(Queue& queue, const TensorSource& source, std::string_view name);
  /// Packed codes as stored; the LoRA branch only if use_lora.
  static Linear packed(Queue& queue, const QuantizedLinear& stored, bool use_lora = true);

  /// bias [out_features], f32 on the device. Throws ShapeError.
  void set_bias(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes);
  bool has_bias() const { return !bias_.empty(); }
  /// y += bias, if there is one: for whoever computes the product itself.
  void add_bias(Queue& queue, const TensorView& y) const;

  /// x [num_tokens, in_features], y [num_tokens, out_features], f32 or f16; rounding as in ops/gemm.hpp.
  /// Enqueued.
  void forward(Queue& queue, runtime::Rounding rounding, const TensorView& x, const TensorView& y) const;

  /// out f32 [out_features, in_features] = dequantized weight + scaling * lora_B lora_A, of a packed linear.
  void effective_weight(Queue& queue, const TensorView& out) const;

  bool is_packed() const { return dense_.empty(); }
  /// Of a dense linear: W [out, in].
  const TensorView& dense_weight() const { return dense_; }
  /// Of a packed linear: its codes, and its LoRA (rank 0: none).
  ops::PackedWeightView packed_weight() const { return {layout_, qweight_, scales_, qzeros_}; }
  ops::LoraView lora() const;
  /// Bytes of weights and adapter read by one forward.
  std::uint64_t weight_bytes() const;

 private:
  std::uint32_t in_features_ = 0, out_features_ = 0;
  DeviceTensor dense_;
  PackedLayout layout_;
  DeviceTensor qweight_, scales_, qzeros_;
  std::uint32_t rank_ = 0;
  float scaling_ = 0;
  DeviceTensor lora_A_, lora_B_t_, bias_;
};

/// A tensor of the model on the device: f16 stays f16, f32 and bf16 become f32.
DeviceTensor upload_tensor(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes);

/// Always f32: norms, and weights about to be quantized.
DeviceTensor upload_f32(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes);

/// The same read from its source a few MiB at a time: host memory does not grow with the tensor. Throws as
/// TensorSource::read.
DeviceTensor upload_tensor(Queue& queue, const TensorSource& source, std::string_view name);

}  // namespace apiq::model
