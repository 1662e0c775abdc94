#include "quant/clipped_grid.hpp"

#include "ops/packed_buffers.hpp"

namespace apiq::quant {

using runtime::Workspace;

ClippedGrid::ClippedGrid(Queue& queue, const TensorView& weight, const ops::QuantSpec& spec)
    : queue_(queue), weight_(weight), spec_(spec) {
  const std::uint64_t out = weight.shape[0], groups = weight.shape[1] / spec.group_size;
  const auto tensor = [&](const Shape& shape, const char* what) {
    return DeviceTensor(queue.device(), DType::f32, shape, what);
  };
  xmin_ = tensor({out, groups}, "group minima");
  xmax_ = tensor({out, groups}, "group maxima");
  logits_ = tensor({2, out, groups}, "clipping logits");
  scale_ = tensor({out, groups}, "scales");
  zero_ = tensor({out, groups}, "zero points");
  ops::group_range(queue, weight, spec.group_size, xmin_, xmax_);
  queue.write(logits_, std::vector<float>(2 * out * groups, kInitialLogit).data());
  update();
}

TensorView ClippedGrid::half(const TensorView& pair, std::uint64_t index) const {
  return pair.rows(index, 1).reshaped({pair.shape[1], pair.shape[2]});
}

void ClippedGrid::search_range() {
  ops::mse_range(queue_, spec_, weight_, xmin_, xmax_, half(logits_, 0), half(logits_, 1));
  update();
}

void ClippedGrid::update() {
  ops::quant_grid(queue_, spec_, xmin_, xmax_, half(logits_, 0), half(logits_, 1), scale_, zero_);
}

void ClippedGrid::fake_quantize(const TensorView& what) {
  ops::fake_quant_fwd(queue_, spec_, weight_, scale_, zero_, what);
}

void ClippedGrid::backward(std::uint64_t begin, std::uint64_t count, const TensorView& d_what,
                           const TensorView& d_logits, const TensorView& d_w) {
  const auto part = [&](const TensorView& all) { return all.rows(begin, count); };
  ops::fake_quant_bwd(queue_, spec_, part(weight_), part(scale_), part(zero_), part(xmin_), part(xmax_),
                      part(half(logits_, 0)), part(half(logits_, 1)), d_what, part(half(d_logits, 0)),
                      part(half(d_logits, 1)), d_w);
}

PackedMatrix ClippedGrid::pack() {
  Workspace::Scope scope(queue_.workspace());
  const auto scratch = [&](DType dtype, const Shape& shape) {
    return queue_.workspace().allocate(dtype, shape);
  };
  const PackedLayout layout{static_cast<std::uint32_t>(weight_.shape[0]),
                            static_cast<std::uint32_t>(weight_.shape[1]), spec_.bits, spec_.group_size};
  const Shape grid = scale_.shape();
  const TensorView codes = scratch(DType::u8, weight_.shape), scales = scratch(DType::f16, grid),
                   zeros = scratch(DType::u8, grid);
  ops::quantize_codes(queue_, spec_, weight_, scale_, zero_, codes, scales, zeros);
  std::vector<TensorView> planes;
  for (const Plane& plane : layout.codec->planes(layout)) planes.push_back(scratch(plane.dtype, plane.shape));
  const ops::PackedWeightView view = ops::packed_view(layout, planes);
  ops::pack(queue_, codes, scales, zeros, view);
  return ops::read_packed(queue_, view);
}

}  // namespace apiq::quant
