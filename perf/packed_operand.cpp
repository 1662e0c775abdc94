#include "packed_operand.hpp"

#include "codec/codecs.hpp"
#include "harness.hpp"
#include "util/half.hpp"

namespace apiq::perf {

using runtime::DeviceTensor;
using runtime::Queue;

namespace {

DeviceTensor halves(Queue& queue, const Shape& shape, float size, std::uint32_t seed) {
  std::vector<std::uint16_t> raw;
  for (const float value : random_floats(shape.elements(), seed)) raw.push_back(float_to_half(size * value));
  DeviceTensor tensor(queue.device(), DType::f16, shape, "benchmark operand");
  queue.write(tensor, raw.data());
  return tensor;
}

}  // namespace

PackedMatrix random_packed(const PackedLayout& layout, std::uint32_t seed) {
  std::mt19937 random(seed);
  PackedMatrix out(layout);
  const std::vector<Plane> planes = layout.codec->planes(layout);
  for (std::size_t i = 0; i < planes.size(); ++i) {
    if (planes[i].dtype == DType::f16)
      for (auto& value : out.elements<std::uint16_t>(i))
        value = float_to_half(0.01f * (static_cast<float>(random() >> 8) * 0x1p-23f - 1.0f));
    else
      for (auto& word : out.elements<std::uint32_t>(i)) word = random();
  }
  return out;
}

PackedOperand::PackedOperand(Queue& queue, const PackedLayout& layout, std::uint32_t rank, std::uint32_t seed)
    : buffers_(queue, random_packed(layout, seed)) {
  if (rank == 0) return;
  a_ = halves(queue, {rank, layout.in_features}, 0.02f, seed + 2);
  b_t_ = halves(queue, {rank, layout.row_blocks() * kRowBlock}, 0.02f, seed + 3);
  lora_ = {rank, 0.25f, a_, b_t_};
}

DeviceTensor random_activations(Queue& queue, DType dtype, const Shape& shape, std::uint32_t seed) {
  if (dtype == DType::f16) return halves(queue, shape, 1.0f, seed);
  DeviceTensor tensor(queue.device(), DType::f32, shape, "benchmark activations");
  queue.write(tensor, random_floats(shape.elements(), seed).data());
  return tensor;
}

}  // namespace apiq::perf
