// Random packed products for tests and benchmarks: the problem in row-major form, and the same on the device.
#pragma once
#include "cases/device_fixture.hpp"
#include "codec/affine.hpp"
#include "ops/packed_buffers.hpp"
#include "ops/reference/qmatmul.hpp"

namespace apiq::testing {

struct QmatmulCase {
  std::uint32_t out_features, in_features, bits, group_size, num_tokens, rank = 0;
};

/// Everything of one problem on the host. Scales, LoRA factors and (if x_type is f16) activations are already
/// rounded to binary16.
struct QmatmulData {
  QmatmulCase shape;
  std::vector<std::uint8_t> codes, zeros;
  std::vector<float> scales, lora_A, lora_B, x;
  float scaling = 0.25f;

  QmatmulData(const QmatmulCase& c, DType x_type, std::uint32_t seed) : shape(c) {
    std::mt19937 random(seed);
    codes.resize(static_cast<std::size_t>(c.out_features) * c.in_features);
    for (auto& code : codes) code = static_cast<std::uint8_t>((random() >> 8) & ((1u << c.bits) - 1));
    zeros.resize(codes.size() / c.group_size);
    for (auto& zero : zeros) zero = static_cast<std::uint8_t>((random() >> 8) & ((1u << c.bits) - 1));
    scales = rounded_to_half(random_floats(zeros.size(), seed + 1, 0.001f, 0.02f));
    lora_A = rounded_to_half(random_floats(static_cast<std::size_t>(c.rank) * c.in_features, seed + 2));
    lora_B = rounded_to_half(random_floats(static_cast<std::size_t>(c.rank) * c.out_features, seed + 3));
    x = random_floats(static_cast<std::size_t>(c.num_tokens) * c.in_features, seed + 4);
    if (x_type == DType::f16) x = rounded_to_half(x);
  }

  PackedLayout layout() const {
    return {shape.out_features, shape.in_features, shape.bits, shape.group_size};
  }

  ops::reference::QmatmulProblem problem() const {
    return {shape.num_tokens,
            shape.out_features,
            shape.in_features,
            shape.group_size,
            shape.rank,
            scaling,
            x,
            codes,
            scales,
            zeros,
            lora_A,
            lora_B};
  }

  PackedMatrix packed() const {
    std::vector<std::uint16_t> raw(scales.size());
    for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = float_to_half(scales[i]);
    return pack(layout(), codes, raw, zeros);
  }
};

/// A packed matrix with its LoRA on the device; owns what the views point to. `lead` elements of another
/// tensor come first in every buffer, so that offsets are tested too.
class DeviceQmatmul {
 public:
  DeviceQmatmul(runtime::Device& device, const QmatmulData& d, std::uint64_t lead = 0)
      : device_(device), lead_(lead) {
    const PackedMatrix m = d.packed();
    std::vector<runtime::TensorView> planes;
    for (const Plane& plane : m.layout.codec->planes(m.layout))
      planes.push_back(place(plane.dtype, {plane.shape.elements()}, m.planes[planes.size()].data()));
    weight = ops::packed_view(m.layout, planes);
    lora.rank = d.shape.rank;
    lora.scaling = d.scaling;
    if (d.shape.rank == 0) return;
    const std::uint64_t padded = m.layout.row_blocks() * kRowBlock;
    std::vector<std::uint16_t> a(d.lora_A.size()), b_t(d.shape.rank * padded, 0);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = float_to_half(d.lora_A[i]);
    for (std::size_t r = 0; r < d.shape.rank; ++r)
      for (std::size_t row = 0; row < d.shape.out_features; ++row)
        b_t[r * padded + row] = float_to_half(d.lora_B[row * d.shape.rank + r]);
    lora.A = place(DType::f16, {d.shape.rank, d.shape.in_features}, a.data());
    lora.B_t = place(DType::f16, {d.shape.rank, padded}, b_t.data());
  }

  /// A view of a new buffer, filled from `data` unless it is null.
  runtime::TensorView place(DType dtype, const Shape& shape, const void* data) {
    tensors_.emplace_back(device_, dtype, Shape{lead_ + shape.elements()}, "test tensor");
    const runtime::TensorView view = tensors_.back().view().rows(lead_, shape.elements()).reshaped(shape);
    if (data != nullptr) device_.queue().write(view, data);
    return view;
  }

  runtime::TensorView place_floats(DType dtype, const Shape& shape, const std::vector<float>& values) {
    if (dtype == DType::f32) return place(dtype, shape, values.data());
    std::vector<std::uint16_t> raw(values.size());
    for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = float_to_half(values[i]);
    return place(dtype, shape, raw.data());
  }

  ops::PackedWeightView weight;
  ops::LoraView lora;

 private:
  runtime::Device& device_;
  std::uint64_t lead_;
  std::vector<runtime::DeviceTensor> tensors_;
};

}  // namespace apiq::testing
