// Packed matrices between host and device: one buffer per plane of the codec.
#pragma once
#include <span>
#include <vector>

#include "codec/packed_matrix.hpp"
#include "ops/qmatmul.hpp"

namespace apiq::ops {

/// The planes, in the codec's order, as kernels take them.
PackedWeightView packed_view(const PackedLayout& layout, std::span<const TensorView> planes);
/// The planes that the codec has, in its order.
std::vector<TensorView> planes_of(const PackedWeightView& view);

/// Waits for the device.
PackedMatrix read_packed(Queue& queue, const PackedWeightView& view);

/// Owns what its view points to.
class PackedBuffers {
 public:
  PackedBuffers() = default;
  /// Contents undefined.
  PackedBuffers(Queue& queue, const PackedLayout& layout);
  /// A copy of the matrix. Throws ShapeError if its planes are not those of its layout.
  PackedBuffers(Queue& queue, const PackedMatrix& matrix);

  bool empty() const { return planes_.empty(); }
  const PackedLayout& layout() const { return layout_; }
  PackedWeightView view() const;

 private:
  PackedLayout layout_;
  std::vector<runtime::DeviceTensor> planes_;
};

}  // namespace apiq::ops
