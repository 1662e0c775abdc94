// The weights of the block being solved: dense f32 for the method and the full-precision stream, packed for
// the quantized stream.
#pragma once
#include <span>
#include <vector>

#include "calib/layer_stream.hpp"
#include "calib/linear_settings.hpp"
#include "calib/run_context.hpp"
#include "codec/quantized_linear.hpp"
#include "model/linear.hpp"
#include "quant/block_problem.hpp"

namespace apiq::calib {

class WorkingBlock {
 public:
  /// stored: the block's tensors on the device as the model has them; must outlive this object.
  WorkingBlock(const RunContext& run, std::uint32_t block, const BlockWeights& stored);

  std::uint32_t block() const { return block_; }
  /// How many linears it has.
  std::uint32_t size() const { return static_cast<std::uint32_t>(settings_.size()); }
  /// "model.layers.3.mlp.up_proj"
  std::string name(std::uint32_t linear) const;
  const LinearSettings& settings(std::uint32_t linear) const { return settings_[linear]; }
  std::uint64_t seed(std::uint32_t linear) const;
  /// f32 [width], in the order of the spec.
  std::span<const DeviceTensor> norms() const { return norms_; }
  /// f32 [out_features], empty for linears without. They are not quantized, and part of no linear here.
  std::span<const DeviceTensor> biases() const { return biases_; }

  /// f32 [out, in] from what is stored; replaces a dense copy there is.
  void make_dense(std::uint32_t linear);
  const TensorView& dense(std::uint32_t linear) const { return dense_[linear]; }
  void drop_dense(std::uint32_t linear) { dense_[linear] = {}; }

  /// The result on the device, to compute with.
  void set_packed(std::uint32_t linear, const QuantizedLinear& result);
  void drop_packed(std::uint32_t linear) { packed_[linear] = {}; }

  /// y = x W^T, the bias left out, in the model's own precision, or through exactly what will be stored. A
  /// linear that stays dense is the same in both.
  quant::BlockFunction::Forward full() const;
  quant::BlockFunction::Forward quantized() const;

  /// |W - M|^2 / |W|^2 of a linear that has its dense copy and its result.
  double weight_error(std::uint32_t linear) const;

 private:
  const RunContext& run_;
  std::uint32_t block_;
  const BlockWeights& stored_;
  std::vector<LinearSettings> settings_;
  std::vector<DeviceTensor> dense_;
  std::vector<model::Linear> packed_;
  std::vector<DeviceTensor> norms_, biases_;
};

}  // namespace apiq::calib
