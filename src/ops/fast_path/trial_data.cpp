#include "ops/fast_path/trial_data.hpp"

#include "codec/affine.hpp"
#include "util/half.hpp"
#include "util/random.hpp"

namespace apiq::ops::trial {

namespace {

DeviceTensor put_halves(Queue& queue, const std::vector<float>& values, const Shape& shape) {
  DeviceTensor tensor = space(queue, shape, DType::f16);
  std::vector<std::uint16_t> raw(values.size());
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = float_to_half(values[i]);
  queue.write(tensor, raw.data());
  return tensor;
}

void add_lora(Queue& queue, PackedWeight& w, std::uint32_t rank, bool forward) {
  const PackedLayout& layout = w.buffers.layout();
  const std::uint64_t in = layout.in_features, out = layout.out_features,
                      padded = layout.row_blocks() * kRowBlock;
  w.rank = rank;
  w.scaling = 0.5f;
  w.lora_A.resize(rank * in);
  w.lora_B.resize(out * rank);
  const auto single = [](std::uint64_t r, std::uint64_t i, std::uint64_t count) {
    return i == (r * 37 + 5) % count ? r % 3 == 0 ? -1.0f : 1.0f : 0.0f;
  };
  std::vector<float> transposed(rank * padded, 0.0f);
  for (std::uint64_t r = 0; r < rank; ++r) {
    for (std::uint64_t i = 0; i < in; ++i)
      w.lora_A[r * in + i] = forward ? single(r, i, in) : small_integer(r, i, 9);
    for (std::uint64_t row = 0; row < out; ++row)
      transposed[r * padded + row] = w.lora_B[row * rank + r] =
          forward ? small_integer(row, r, 9) : single(r, row, out);
  }
  w.A = put_halves(queue, w.lora_A, {rank, in});
  w.B_t = put_halves(queue, transposed, {rank, padded});
}

}  // namespace

DeviceTensor space(Queue& queue, const Shape& shape, DType dtype) {
  return DeviceTensor(queue.device(), dtype, shape, "fast path trial");
}

DeviceTensor put(Queue& queue, const std::vector<float>& values, const Shape& shape, DType dtype) {
  if (dtype == DType::f16) return put_halves(queue, values, shape);
  DeviceTensor tensor = space(queue, shape);
  queue.write(tensor, values.data());
  return tensor;
}

float small_integer(std::uint64_t row, std::uint64_t column, std::uint64_t turn) {
  const std::uint64_t place = 16 * (row % 16) + column % 16, tile = 37 * (row / 16) + 101 * (column / 16);
  return static_cast<float>((163 * place + tile + 89 * turn) % 256) -
         128.0f;  // an odd factor permutes 0 to 255
}

std::vector<float> small_integers(std::uint64_t rows, std::uint64_t columns, std::uint64_t turn,
                                  bool transposed) {
  std::vector<float> out(rows * columns);
  for (std::uint64_t i = 0; i < rows; ++i)
    for (std::uint64_t j = 0; j < columns; ++j)
      out[transposed ? j * rows + i : i * columns + j] = small_integer(i, j, turn);
  return out;
}

LoraView PackedWeight::lora() const {
  if (rank == 0) return {};
  return {rank, scaling, A, B_t};
}

PackedWeight packed_integers(Queue& queue, std::uint32_t bits, std::uint32_t group_size, std::uint32_t out,
                             std::uint32_t in, std::uint32_t rank, bool forward) {
  PackedWeight w;
  const PackedLayout layout{out, in, bits, group_size};
  const CounterRandom random(0xfa57, bits);
  const std::uint64_t levels = std::uint64_t{1} << bits, groups = layout.groups();
  std::vector<std::uint8_t> codes(std::size_t{out} * in), zeros(out * groups);
  std::vector<std::uint16_t> scales(zeros.size());
  for (std::size_t i = 0; i < codes.size(); ++i)
    codes[i] = static_cast<std::uint8_t>(random.below(i, levels));
  for (std::size_t i = 0; i < zeros.size(); ++i) {
    zeros[i] = static_cast<std::uint8_t>(random.below(codes.size() + i, levels));
    scales[i] = float_to_half(static_cast<float>(1u << random.below(2 * codes.size() + i, 4)));
  }
  const PackedMatrix packed = pack(layout, codes, scales, zeros);
  w.weight = dequantize(packed);
  w.buffers = PackedBuffers(queue, packed);
  if (rank != 0) add_lora(queue, w, rank, forward);
  return w;
}

}  // namespace apiq::ops::trial
