// Packed weights: pack, unpack, dequantize, the products with LoRA for every bit width and usual group size,
// and the fused stages of decoding.
#include "codec/affine.hpp"
#include "ops/packed_buffers.hpp"
#include "ops/qmatmul.hpp"
#include "ops/reference/qmatmul.hpp"
#include "ops/reference/rmsnorm.hpp"
#include "ops/reference/swiglu.hpp"
#include "ops/self_test/cases.hpp"
#include "ops/stage.hpp"
#include "util/half.hpp"
#include "util/random.hpp"

namespace apiq::ops::self_test {

namespace {

struct PackedData {
  PackedLayout layout;
  std::vector<std::uint8_t> codes, zeros;
  std::vector<float> scales;

  explicit PackedData(const PackedLayout& l) : layout(l) {
    const CounterRandom random(7, l.bits);
    codes.resize(std::size_t{l.out_features} * l.in_features);
    for (std::size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<std::uint8_t>(random.below(i, std::uint64_t{1} << l.bits));
    zeros.resize(codes.size() / l.group_size);
    for (std::size_t i = 0; i < zeros.size(); ++i)
      zeros[i] = static_cast<std::uint8_t>(random.below(codes.size() + i, std::uint64_t{1} << l.bits));
    scales = random_values(zeros.size(), 4, 0.01f, 0.1f);
    for (float& scale : scales) scale = half_to_float(float_to_half(scale));
  }

  std::vector<std::uint16_t> raw_scales() const {
    std::vector<std::uint16_t> out;
    for (const float scale : scales) out.push_back(float_to_half(scale));
    return out;
  }
};

/// A packed matrix on the device: what the views point to.
struct OnDevice {
  PackedBuffers buffers;
  PackedWeightView view;

  OnDevice(Queue& queue, const PackedLayout& layout) : buffers(queue, layout), view(buffers.view()) {}
  OnDevice(Queue& queue, const PackedData& data)
      : buffers(queue, pack(data.layout, data.codes, data.raw_scales(), data.zeros)), view(buffers.view()) {}
};

Measure run_pack(Queue& queue, const PackedLayout& layout) {
  PackedData data(layout);
  const Shape grid{layout.out_features, layout.groups()};
  const DeviceTensor codes = put_bytes(queue, data.codes, {layout.out_features, layout.in_features}),
                     zeros = put_bytes(queue, data.zeros, grid);
  const DeviceTensor scales = put(queue, data.scales, grid, DType::f16);
  const OnDevice packed(queue, layout);
  ops::pack(queue, codes, scales, zeros, packed.view);
  const PackedMatrix got = read_packed(queue, packed.view),
                     want = apiq::pack(layout, data.codes, data.raw_scales(), data.zeros);
  double differences = 0;
  for (std::size_t i = 0; i < want.planes.size(); ++i) differences += exactly(got.planes[i], want.planes[i]);
  return {differences, 0};
}

Measure run_unpack(Queue& queue, const PackedLayout& layout) {
  const PackedData data(layout);
  const OnDevice packed(queue, data);
  const DeviceTensor codes = space(queue, {layout.out_features, layout.in_features}, DType::u8);
  ops::unpack_codes(queue, packed.view, codes);
  std::vector<std::uint8_t> got(data.codes.size());
  queue.read(codes, got.data());
  return {exactly(got, data.codes), 0};
}

Measure run_dequantize(Queue& queue, const PackedLayout& layout) {
  const PackedData data(layout);
  const OnDevice packed(queue, data);
  const DeviceTensor w = space(queue, {layout.out_features, layout.in_features});
  ops::dequantize(queue, packed.view, w);
  // scale * (code - zero) of an 11-bit and at most 9-bit number: exact in f32.
  return {exactly(runtime::read_floats(queue, w),
                  apiq::dequantize(apiq::pack(layout, data.codes, data.raw_scales(), data.zeros))),
          0};
}

/// LoRA factors for a packed matrix, on the host and on the device.
struct Factors {
  std::vector<float> A, B;
  DeviceTensor dA, dB;
  LoraView view;

  Factors(Queue& queue, const PackedLayout& layout, std::uint32_t rank) : view{rank, 0.25f, {}, {}} {
    if (rank == 0) return;
    const std::uint64_t padded = layout.row_blocks() * kRowBlock;
    A = random_values(std::size_t{rank} * layout.in_features, 6);
    B.resize(std::size_t{rank} * layout.out_features);
    std::vector<float> B_t = random_values(rank * padded, 7);
    for (std::uint64_t i = 0; i < B_t.size(); ++i) {
      if (i % padded >= layout.out_features) B_t[i] = 0;
    }
    dA = put(queue, A, {rank, layout.in_features}, DType::f16);
    dB = put(queue, B_t, {rank, padded}, DType::f16);
    view.A = dA;
    view.B_t = dB;
    for (std::size_t row = 0; row < layout.out_features; ++row) {
      for (std::size_t r = 0; r < rank; ++r) B[row * rank + r] = B_t[r * padded + row];
    }
  }
};

Measure run_qmatmul(Queue& queue, const PackedLayout& layout, std::uint32_t tokens, std::uint32_t rank,
                    DType dtype) {
  const PackedData data(layout);
  const OnDevice packed(queue, data);
  std::vector<float> x = random_values(std::size_t{tokens} * layout.in_features, 5);
  const DeviceTensor dx = put(queue, x, {tokens, layout.in_features}, dtype),
                     y = space(queue, {tokens, layout.out_features}, dtype);
  const Factors lora(queue, layout, rank);
  qmatmul(queue, Rounding::none, packed.view, lora.view, dx, y);
  const reference::QmatmulProblem problem{
      tokens, layout.out_features, layout.in_features, layout.group_size, rank,   0.25,
      x,      data.codes,          data.scales,        data.zeros,        lora.A, lora.B};
  // As for dense products; the mat-vec adds codes and zero points apart, which doubles the magnitudes that
  // cancel.
  return {difference(queue, y, reference::qmatmul(problem)),
          2 * (layout.in_features + rank + 8) * kF32Unit + unit_of(dtype)};
}

Measure run_qmatmul_bwd(Queue& queue, const PackedLayout& layout, std::uint32_t tokens, std::uint32_t rank,
                        DType dtype) {
  const PackedData data(layout);
  const OnDevice packed(queue, data);
  std::vector<float> gradient = random_values(std::size_t{tokens} * layout.out_features, 5);
  const DeviceTensor dy = put(queue, gradient, {tokens, layout.out_features}, dtype),
                     dx = space(queue, {tokens, layout.in_features}, dtype);
  const Factors lora(queue, layout, rank);
  qmatmul_bwd(queue, Rounding::none, packed.view, lora.view, dy, dx);
  const reference::QmatmulProblem problem{
      tokens, layout.out_features, layout.in_features, layout.group_size, rank,   0.25,
      {},     data.codes,          data.scales,        data.zeros,        lora.A, lora.B};
  return {difference(queue, dx, reference::qmatmul_bwd(problem, gradient)),
          (layout.out_features + rank + 8) * kF32Unit + unit_of(dtype)};
}

/// One token through the norm where there is one, a matrix (twice where the output is gated) with LoRA, and
/// what follows.
Measure run_stage(Queue& queue, const PackedLayout& layout, std::uint32_t rank, StageOutput output) {
  const PackedData data(layout);
  const OnDevice packed(queue, data);
  const Factors lora(queue, layout, rank);
  std::vector<float> x = random_values(layout.in_features, 5),
                     norm = random_values(layout.in_features, 8, 0.5f, 1.5f),
                     before = random_values(layout.out_features, 9);
  const DeviceTensor dx = put(queue, x, {1, layout.in_features}),
                     dnorm = put(queue, norm, {layout.in_features}),
                     y = put(queue, before, {1, layout.out_features});
  std::vector<StageLinear> linears(output == StageOutput::gated ? 2 : 1, {packed.view, lora.view, y});
  const bool add = output == StageOutput::add;  // that of o and down, which no norm precedes
  decode_stage(queue, linears, dx, add ? TensorView{} : dnorm.view(), 1e-5f, output);
  const auto normed = add ? doubles(x) : reference::rmsnorm_fwd(doubles(x), doubles(norm), 1e-5);
  const std::vector<float> h(normed.begin(), normed.end());
  const reference::QmatmulProblem problem{
      1, layout.out_features, layout.in_features, layout.group_size, rank,   0.25,
      h, data.codes,          data.scales,        data.zeros,        lora.A, lora.B};
  auto expected = reference::qmatmul(problem);
  if (output == StageOutput::gated) expected = reference::swiglu_fwd(expected, expected);
  for (std::size_t i = 0; add && i < expected.size(); ++i) expected[i] += before[i];
  // As for the mat-vec alone; a gated output has its error twice.
  return {difference(queue, y, expected), 4 * (layout.in_features + rank + 16) * kF32Unit};
}

std::string detail(const PackedLayout& layout) {
  return "bits " + std::to_string(layout.bits) + ", group " +
         (layout.group_size == layout.in_features ? "row" : std::to_string(layout.group_size));
}

}  // namespace

std::vector<Case> packed_cases() {
  std::vector<Case> out;
  for (const std::uint32_t bits : {2, 3, 4, 8}) {
    const PackedLayout ragged{43, 172, bits, 43};
    out.push_back({"pack", detail(ragged), [=](Queue& queue) { return run_pack(queue, ragged); }});
    out.push_back({"unpack_codes", detail(ragged), [=](Queue& queue) { return run_unpack(queue, ragged); }});
    out.push_back(
        {"dequantize", detail(ragged), [=](Queue& queue) { return run_dequantize(queue, ragged); }});
    for (const PackedLayout& layout : {PackedLayout{160, 256, bits, 32}, PackedLayout{160, 256, bits, 64},
                                       PackedLayout{160, 256, bits, 128}, PackedLayout{43, 172, bits, 172}}) {
      for (const std::uint32_t tokens : {1, 8, 40}) {
        for (const std::uint32_t rank : {0, 16}) {
          const std::string text =
              detail(layout) + ", rank " + std::to_string(rank) + ", rows " + std::to_string(tokens);
          out.push_back({tokens == 1 ? "qgemv" : "qgemm", text,
                         [=](Queue& queue) { return run_qmatmul(queue, layout, tokens, rank, DType::f32); }});
          if (tokens == 1) continue;  // the same kernel as for 8
          out.push_back({"qgemm_bwd", text, [=](Queue& queue) {
                           return run_qmatmul_bwd(queue, layout, tokens, rank, DType::f32);
                         }});
        }
      }
    }
    const PackedLayout half{160, 256, bits, 64};
    out.push_back({"qgemm_bwd", detail(half) + ", rank 16, rows 40, f16",
                   [=](Queue& queue) { return run_qmatmul_bwd(queue, half, 40, 16, DType::f16); }});
    for (const std::uint32_t tokens : {1, 40}) {
      out.push_back({tokens == 1 ? "qgemv" : "qgemm",
                     detail(half) + ", rank 16, rows " + std::to_string(tokens) + ", f16",
                     [=](Queue& queue) { return run_qmatmul(queue, half, tokens, 16, DType::f16); }});
    }
  }
  for (const std::uint32_t bits : {2, 3, 4, 8})
    for (const auto& [name, output] :
         {std::pair{"store", StageOutput::store}, {"add", StageOutput::add}, {"gated", StageOutput::gated}}) {
      const PackedLayout layout{160, 256, bits, 64};
      const StageOutput kind = output;
      out.push_back({"decode_stage", detail(layout) + ", rank 16, " + name,
                     [=](Queue& queue) { return run_stage(queue, layout, 16, kind); }});
    }
  return out;
}

}  // namespace apiq::ops::self_test
