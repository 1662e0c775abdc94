#include "packed_operand.hpp"

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

DeviceTensor words(Queue& queue, std::uint64_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> values(count);
  for (auto& value : values) value = random();
  DeviceTensor tensor(queue.device(), DType::u32, {count}, "benchmark weight");
  queue.write(tensor, values.data());
  return tensor;
}

}  // namespace

PackedOperand::PackedOperand(Queue& queue, const PackedLayout& layout, std::uint32_t rank, std::uint32_t seed)
    : layout_(layout),
      qweight_(words(queue, layout.qweight_words(), seed)),
      scales_(halves(queue, {layout.scale_count()}, 0.01f, seed)),
      qzeros_(words(queue, layout.qzeros_words(), seed + 1)) {
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
