#include "ops/packed_buffers.hpp"

#include <array>

#include "codec/codecs.hpp"

namespace apiq::ops {

namespace {

/// Where the view keeps plane i.
template <class View>
auto places(View& view) {
  return std::array{&view.qweight, &view.scales, &view.qzeros};
}

}  // namespace

PackedWeightView packed_view(const PackedLayout& layout, std::span<const TensorView> planes) {
  PackedWeightView view{layout, {}, {}, {}};
  const auto all = places(view);
  for (std::size_t i = 0; i < planes.size(); ++i) *all.at(i) = planes[i];
  return view;
}

std::vector<TensorView> planes_of(const PackedWeightView& view) {
  std::vector<TensorView> out;
  const auto all = places(view);
  for (std::size_t i = 0; i < view.layout.codec->planes(view.layout).size(); ++i) out.push_back(*all.at(i));
  return out;
}

PackedMatrix read_packed(Queue& queue, const PackedWeightView& view) {
  PackedMatrix matrix(view.layout);
  const auto planes = planes_of(view);
  for (std::size_t i = 0; i < planes.size(); ++i) queue.read(planes[i], matrix.planes[i].data());
  return matrix;
}

PackedBuffers::PackedBuffers(Queue& queue, const PackedLayout& layout) : layout_(layout) {
  for (const Plane& plane : layout.codec->planes(layout))
    planes_.emplace_back(queue.device(), plane.dtype, plane.shape, plane.name);
}

PackedBuffers::PackedBuffers(Queue& queue, const PackedMatrix& matrix) : PackedBuffers(queue, matrix.layout) {
  check_planes(matrix, "weight");
  for (std::size_t i = 0; i < planes_.size(); ++i) queue.write(planes_[i], matrix.planes[i].data());
}

PackedWeightView PackedBuffers::view() const {
  std::vector<TensorView> views(planes_.begin(), planes_.end());
  return packed_view(layout_, views);
}

}  // namespace apiq::ops
