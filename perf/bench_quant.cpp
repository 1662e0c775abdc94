// Group quantization, packing and moments on one weight of a 7B model (11008 x 4096, group 64) and one of the
// demo model (768 x 256), against the read bandwidth. Least traffic: each operand read once, each result
// written once.
#include "kernel_bench.hpp"
#include "ops/fake_quant.hpp"
#include "ops/moments.hpp"
#include "ops/packed_buffers.hpp"

namespace {

using namespace apiq;
using perf::KernelBench;

/// Ranges and grid are made by the first cases' operations, which run once whatever the filter says.
void fake_quantization(KernelBench& bench, const Shape& shape, const std::string& text) {
  auto& queue = bench.queue();
  const ops::QuantSpec spec{.bits = 2, .group_size = 64};
  const Shape grid{shape[0], shape[1] / 64};
  const auto w = bench.tensor(shape), d_what = bench.tensor(shape), what = bench.tensor(shape);
  const auto xmin = bench.tensor(grid), xmax = bench.tensor(grid), up = bench.tensor(grid, DType::f32, 4.0f),
             scale = bench.tensor(grid), zero = bench.tensor(grid), d_up = bench.tensor(grid),
             d_low = bench.tensor(grid);
  const double weight = static_cast<double>(w.view().bytes()),
               groups = static_cast<double>(xmin.view().bytes());
  const auto range = [&] { ops::group_range(queue, w, 64, xmin, xmax); };
  const auto make_grid = [&] { ops::quant_grid(queue, spec, xmin, xmax, up, up, scale, zero); };
  const auto backward = [&](const runtime::TensorView& d_w) {
    ops::fake_quant_bwd(queue, spec, w, scale, zero, xmin, xmax, up, up, d_what, d_up, d_low, d_w);
  };
  range();
  make_grid();
  bench.streams("group_range " + text, weight + 2 * groups, range);
  bench.streams("quant_grid " + text, 6 * groups, make_grid);
  bench.streams("fake_quant_fwd " + text, 2 * weight + 2 * groups,
                [&] { ops::fake_quant_fwd(queue, spec, w, scale, zero, what); });
  bench.streams("fake_quant_bwd " + text, 2 * weight + 8 * groups, [&] { backward({}); });
  bench.streams("fake_quant_bwd with d_w " + text, 3 * weight + 8 * groups, [&] { backward(what); });
  bench.streams("mse_range " + text, weight + 4 * groups,
                [&] { ops::mse_range(queue, spec, w, xmin, xmax, d_up, d_low); });
}

void packing(KernelBench& bench, std::uint32_t bits, const std::string& text) {
  auto& queue = bench.queue();
  const PackedLayout layout{4096, 4096, bits, 64};
  const Shape shape{4096, 4096}, grid{4096, 64};
  const auto codes = bench.tensor(shape, DType::u8), scales = bench.tensor(grid, DType::f16),
             zeros = bench.tensor(grid, DType::u8);
  const auto dense = bench.tensor(shape);
  const ops::PackedBuffers buffers(queue, layout);
  const ops::PackedWeightView packed = buffers.view();
  const double bytes = static_cast<double>(layout.bytes()),
               code_bytes = static_cast<double>(codes.view().bytes());
  bench.streams("pack " + text, bytes + code_bytes, [&] { ops::pack(queue, codes, scales, zeros, packed); });
  bench.streams("unpack_codes " + text, bytes + code_bytes, [&] { ops::unpack_codes(queue, packed, codes); });
  bench.streams("dequantize " + text, bytes + static_cast<double>(dense.view().bytes()),
                [&] { ops::dequantize(queue, packed, dense); });
}

void moments(KernelBench& bench) {
  const std::uint64_t n = 4096;
  const auto x = bench.tensor({n, n}), y = bench.tensor({n, n}), diagonal = bench.tensor({n});
  const double bytes = static_cast<double>(x.view().bytes());
  bench.streams("scale_columns 4096x4096", 2 * bytes,
                [&] { ops::scale_columns(bench.queue(), x, diagonal, y); });
  bench.streams("damp 4096x4096", 2.0 * 64 * static_cast<double>(n),
                [&] { ops::damp(bench.queue(), x); });  // a cache line per element, twice
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv);
  const auto device = perf::open_device();
  KernelBench bench("quant", device->queue(), options);
  fake_quantization(bench, {768, 256}, "768x256 group 64");
  fake_quantization(bench, {11008, 4096}, "11008x4096 group 64");
  for (const std::uint32_t bits : {2u, 3u, 4u})
    packing(bench, bits, "4096x4096 " + std::to_string(bits) + " bits");
  moments(bench);
  return 0;
}
