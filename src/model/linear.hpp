// One linear layer on the device: a weight, dense (a model directory's own precision) or packed, a bias if
// the model has one, and any number of adapters,
//   y = x W^T + bias + sum of scaling * (x A^T) B^T.
#pragma once
#include <cstdint>
#include <vector>

#include "codec/quantized_linear.hpp"
#include "model/adapter.hpp"
#include "ops/packed_buffers.hpp"
#include "runtime/queue.hpp"
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
  /// Packed codes as stored. use_lora: the stored LoRA becomes a frozen adapter inside the packed product.
  static Linear packed(Queue& queue, const QuantizedLinear& stored, bool use_lora = true);

  /// bias [out_features], f32 on the device. Throws ShapeError.
  void set_bias(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes);
  /// One more branch. Throws ShapeError if its features are not this layer's.
  void add_adapter(Adapter adapter);

  /// x [num_tokens, in_features], y [num_tokens, out_features], f32 or f16; rounding as in ops/gemm.hpp.
  /// Enqueued.
  void forward(Queue& queue, Rounding rounding, const TensorView& x, const TensorView& y) const;
  /// dx = (accumulate ? dx : 0) + dy M, M the weight with all adapters.   dy [num_tokens, out_features], dx
  /// [num_tokens, in_features]. Enqueued.
  void backward_dx(Queue& queue, Rounding rounding, const TensorView& dy, const TensorView& dx,
                   bool accumulate) const;
  /// Gradients of every trained adapter from the layer's input and the gradient of its output (see
  /// Adapter::backward_values). Enqueued.
  void adapter_grads(Queue& queue, Rounding rounding, const TensorView& x, const TensorView& dy,
                     bool accumulate) const;

  /// out f32 [out_features, in_features] = M, the weight with all adapters.
  void effective_weight(Queue& queue, const TensorView& out) const;

  std::uint32_t in_features() const { return in_features_; }
  std::uint32_t out_features() const { return out_features_; }
  bool is_packed() const { return dense_.empty(); }
  /// Whether one packed product (packed_weight, lora) is all of it but the bias.
  bool is_packed_product() const { return is_packed() && adapters_.empty(); }
  bool has_bias() const { return !bias_.empty(); }
  /// f32 [out_features]; empty without one.
  const TensorView& bias() const { return bias_; }
  /// y += bias, if there is one: for whoever computes the product itself.
  void add_bias(Queue& queue, const TensorView& y) const;
  /// Of a dense linear: W [out, in].
  const TensorView& dense_weight() const { return dense_; }
  /// Of a packed linear: its codes, and the adapter inside its product (rank 0: none).
  ops::PackedWeightView packed_weight() const { return packed_.view(); }
  ops::LoraView lora() const;
  /// The other adapters, in the order in which they were added.
  const std::vector<Adapter>& adapters() const { return adapters_; }
  /// Bytes of weights, bias and adapters read by one forward.
  std::uint64_t weight_bytes() const;

 private:
  std::uint32_t in_features_ = 0, out_features_ = 0;
  DeviceTensor dense_;
  ops::PackedBuffers packed_;
  std::uint32_t rank_ = 0;
  float scaling_ = 0;
  DeviceTensor lora_A_, lora_B_t_;
  DeviceTensor bias_;
  std::vector<Adapter> adapters_;
};

/// A tensor of the model on the device: f16 stays f16, f32 and bf16 become f32.
DeviceTensor upload_tensor(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes);

/// Always f32: norms, and weights about to be quantized.
DeviceTensor upload_f32(Queue& queue, const TensorInfo& info, std::span<const std::byte> bytes);

/// The same read from its source a few MiB at a time: host memory does not grow with the tensor. Throws as
/// TensorSource::read.
DeviceTensor upload_tensor(Queue& queue, const TensorSource& source, std::string_view name);

}  // namespace apiq::model
