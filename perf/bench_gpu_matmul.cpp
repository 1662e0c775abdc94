// Products at the sizes that matter on a GPU: decoding (few rows, weights from memory, against the read
// bandwidth) and prefill, calibration and training (128 to 2048 rows, against fp32 multiply-add from
// registers). Lines bear the names of the benchmarks "qmatmul" and "gemm", so that
// perf/rivals/matmul_torch.py finds its cases; bench_gemm and bench_qmatmul compare with the host's BLAS and
// are for CPU devices.
#include "harness.hpp"
#include "ops/gemm.hpp"
#include "packed_operand.hpp"

namespace {

using namespace apiq;
using perf::Contender;
using perf::PackedOperand;
using runtime::DeviceTensor;
using runtime::Queue;

struct WeightShape {
  std::uint32_t out_features, in_features;
};

struct Bench {
  Queue& queue;
  perf::Options options;
  std::uint64_t far_bytes;  // copies of a weight together: far larger than any cache

  Contender enqueued(std::function<void()> enqueue) const {
    return {[this, enqueue = std::move(enqueue)](int count) {
      for (int i = 0; i < count; ++i) enqueue();
      queue.finish();
    }};
  }
};

std::string packed_text(std::uint64_t rows, const PackedLayout& w, std::uint32_t rank, DType dtype) {
  return "M=" + std::to_string(rows) + " " + std::to_string(w.out_features) + "x" +
         std::to_string(w.in_features) + " " + std::to_string(w.bits) + " bits group " +
         std::to_string(w.group_size) + (rank != 0 ? " rank " + std::to_string(rank) : "") +
         (dtype == DType::f16 ? " f16" : "");
}

double packed_flops(std::uint64_t rows, const PackedLayout& w, std::uint32_t rank) {
  const double out = w.out_features, in = w.in_features;
  return 2.0 * static_cast<double>(rows) * (out * in + rank * (out + in));
}

/// A few rows through the next weight at every call, without and with LoRA in turns with a read of memory.
void few_rows(const Bench& bench, const PackedLayout& layout, const std::vector<PackedOperand>& weights,
              std::uint64_t rows) {
  const std::uint32_t rank = weights[0].lora().rank;
  const std::string plain = packed_text(rows, layout, 0, DType::f32),
                    with_lora = packed_text(rows, layout, rank, DType::f32);
  if (!bench.options.wants(plain) && !bench.options.wants(with_lora)) return;
  const auto x = perf::random_activations(bench.queue, DType::f32, {rows, layout.in_features}, 1);
  const DeviceTensor y(bench.queue.device(), DType::f32, {rows, layout.out_features}, "benchmark result");
  std::size_t next = 0;
  const auto product = [&](bool lora) {
    const PackedOperand& weight = weights[next++ % weights.size()];
    ops::qmatmul(bench.queue, runtime::Rounding::none, weight.view(), lora ? weight.lora() : ops::LoraView{},
                 x, y);
  };
  const auto probe = perf::device_read_probe(bench.queue);
  const auto timings = perf::interleave(
      {bench.enqueued([&] { product(false); }), bench.enqueued([&] { product(true); }), probe.contender},
      bench.options.rounds);
  const double limit = probe.gb_per_second(timings[2]), bytes = weights[0].packed_bytes();
  const auto& info = bench.queue.device().info();
  perf::print(
      {"qmatmul", plain, timings[0], bytes, packed_flops(rows, layout, 0), "read bandwidth", limit, "", {}},
      info);
  perf::print(
      {"qmatmul", with_lora, timings[1], bytes + weights[0].lora_bytes(), packed_flops(rows, layout, rank),
       "read bandwidth", limit, "the same without LoRA", timings[0]},
      info);
}

/// Decoding: copies of a weight that no cache holds together.
void decode(const Bench& bench, const PackedLayout& layout) {
  const std::uint64_t copies = std::clamp<std::uint64_t>(bench.far_bytes / layout.bytes(), 2, 64);
  std::vector<PackedOperand> weights;
  for (std::uint32_t i = 0; i < copies; ++i) weights.emplace_back(bench.queue, layout, 64, 10 + i);
  for (const std::uint64_t rows : {1, 2, 4, 8}) few_rows(bench, layout, weights, rows);
}

/// Many rows through packed weights, f16 activations.
void prefill(const Bench& bench, const PackedLayout& layout, std::uint64_t rows, std::uint32_t rank) {
  const std::string name = packed_text(rows, layout, rank, DType::f16);
  if (!bench.options.wants(name)) return;
  const PackedOperand weight(bench.queue, layout, rank, 1);
  const auto x = perf::random_activations(bench.queue, DType::f16, {rows, layout.in_features}, 2);
  const DeviceTensor y(bench.queue.device(), DType::f16, {rows, layout.out_features}, "benchmark result");
  const auto probe = perf::multiply_add_probe(bench.queue);
  const auto ours = bench.enqueued(
      [&] { ops::qmatmul(bench.queue, runtime::Rounding::none, weight.view(), weight.lora(), x, y); });
  const auto timings = perf::interleave({ours, probe.contender}, bench.options.rounds);
  const double bytes =
      weight.packed_bytes() + weight.lora_bytes() + static_cast<double>(x.view().bytes() + y.view().bytes());
  perf::print({"qmatmul",
               name,
               timings[0],
               bytes,
               packed_flops(rows, layout, rank),
               "fp32 multiply-add rate",
               probe.gflop_per_second(timings[1]),
               "",
               {}},
              bench.queue.device().info());
}

/// y = x W^T, dx = dy W, dW = dy^T x in fp32, as calibration and training compute them.
void dense(const Bench& bench, const WeightShape& w, std::uint64_t rows) {
  const auto x = perf::random_activations(bench.queue, DType::f32, {rows, w.in_features}, 1),
             dy = perf::random_activations(bench.queue, DType::f32, {rows, w.out_features}, 2),
             weight = perf::random_activations(bench.queue, DType::f32, {w.out_features, w.in_features}, 3);
  const auto probe = perf::multiply_add_probe(bench.queue);
  const double m = static_cast<double>(rows), n = w.out_features, k = w.in_features;
  const auto size = [](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return std::to_string(a) + "x" + std::to_string(b) + "x" + std::to_string(c);
  };
  const auto time = [&](const std::string& name, const Contender& ours) {
    if (!bench.options.wants(name)) return;
    const auto timings = perf::interleave({ours, probe.contender}, bench.options.rounds);
    perf::print({"gemm",
                 name,
                 timings[0],
                 4 * (m * k + n * k + m * n),
                 2 * m * n * k,
                 "fp32 multiply-add rate",
                 probe.gflop_per_second(timings[1]),
                 "",
                 {}},
                bench.queue.device().info());
  };
  time("nt " + size(rows, w.out_features, w.in_features),
       bench.enqueued([&] { ops::matmul_nt(bench.queue, runtime::Rounding::none, x, weight, dy); }));
  time("nn " + size(rows, w.in_features, w.out_features),
       bench.enqueued([&] { ops::matmul_nn(bench.queue, runtime::Rounding::none, dy, weight, x); }));
  time("tn " + size(w.out_features, w.in_features, rows),
       bench.enqueued([&] { ops::matmul_tn(bench.queue, runtime::Rounding::none, dy, x, weight); }));
}

void all(const Bench& bench) {
  const bool quick = bench.options.quick;
  const std::vector<WeightShape> shapes =
      quick ? std::vector<WeightShape>{{1024, 1024}}
            : std::vector<WeightShape>{{4096, 4096}, {11008, 4096}, {4096, 11008}, {28672, 8192}};
  const std::vector<std::uint64_t> many =
      quick ? std::vector<std::uint64_t>{128} : std::vector<std::uint64_t>{128, 512, 2048};
  for (const auto& w : shapes)
    for (const std::uint32_t bits : {2u, 3u, 4u}) decode(bench, {w.out_features, w.in_features, bits, 64});
  for (const auto& w : shapes)
    for (const std::uint64_t rows : many) {
      for (const std::uint32_t bits : {2u, 3u, 4u})
        prefill(bench, {w.out_features, w.in_features, bits, 64}, rows, 0);
      prefill(bench, {w.out_features, w.in_features, 2, 64}, rows, 64);
    }
  for (const auto& w : shapes)
    if (w.out_features != 28672)
      for (const std::uint64_t rows : many) dense(bench, w, rows);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv);
  const auto device = perf::open_device();
  const bool cpu = device->info().is_cpu;
  all({device->queue(), options, std::uint64_t{cpu ? 64u : 512u} << 20});
  return 0;
}
