// Products with packed weights. Several tokens: against OpenBLAS sgemm (two threads) on the dequantized f32
// weight, the time to prepare activations included. One token: as a share of the memory's read speed, both
// measured in turns over data far larger than the last-level cache; and what LoRA adds to it. The gradient
// with respect to x: against the forward product of the same size.
#include <cblas.h>

#include <algorithm>
#include <cmath>

#include "harness.hpp"
#include "limits.hpp"
#include "packed_operand.hpp"
#include "util/half.hpp"

namespace {

using namespace apiq;
using perf::Contender;
using runtime::DeviceTensor;
using runtime::Queue;

struct Case {
  std::uint32_t tokens, out_features, in_features, bits, group_size, rank;

  std::string text() const {
    return "M=" + std::to_string(tokens) + " " + std::to_string(out_features) + "x" +
           std::to_string(in_features) + " " + std::to_string(bits) + " bits group " +
           std::to_string(group_size) + (rank != 0 ? " rank " + std::to_string(rank) : "");
  }
  double flops() const {
    return 2.0 * tokens *
           (static_cast<double>(out_features) * in_features +
            static_cast<double>(rank) * (out_features + in_features));
  }
};

/// A packed weight with LoRA on the device, random in every bit that means something.
class Weight {
 public:
  Weight(Queue& queue, const Case& c, std::uint32_t seed)
      : buffers_(queue, perf::random_packed({c.out_features, c.in_features, c.bits, c.group_size}, seed)) {
    if (c.rank == 0) return;
    lora.rank = c.rank;
    lora.scaling = 0.25f;
    a_ = halves(queue, {c.rank, c.in_features}, 0.02f, seed + 1);
    b_t_ = halves(queue, {c.rank, buffers_.layout().row_blocks() * kRowBlock}, 0.02f, seed + 2);
    lora.A = a_;
    lora.B_t = b_t_;
  }

  ops::PackedWeightView view() const { return buffers_.view(); }
  double bytes() const {
    return static_cast<double>(buffers_.layout().bytes()) +
           (lora.rank != 0 ? static_cast<double>(lora.A.bytes() + lora.B_t.bytes()) : 0.0);
  }

  ops::LoraView lora;

 private:
  static DeviceTensor halves(Queue& queue, const Shape& shape, float size, std::uint32_t seed) {
    std::vector<std::uint16_t> raw;
    for (const float value : perf::random_floats(shape.elements(), seed))
      raw.push_back(float_to_half(size * value));
    DeviceTensor tensor(queue.device(), DType::f16, shape, "benchmark operand");
    queue.write(tensor, raw.data());
    return tensor;
  }

  ops::PackedBuffers buffers_;
  DeviceTensor a_, b_t_;
};

DeviceTensor upload(Queue& queue, const std::vector<float>& values, const Shape& shape) {
  DeviceTensor tensor(queue.device(), DType::f32, shape, "benchmark activations");
  queue.write(tensor, values.data());
  return tensor;
}

/// The f32 weight a dense library would use (without LoRA).
std::vector<float> dense_weight(Queue& queue, const Case& c, const Weight& weight) {
  const DeviceTensor dense(queue.device(), DType::f32, {c.out_features, c.in_features}, "dequantized weight");
  ops::dequantize(queue, weight.view(), dense);
  return runtime::read_floats(queue, dense);
}

/// A benchmark of a wrong result is worthless.
void require_agreement(const Case& c, const std::vector<float>& ours, const std::vector<float>& theirs) {
  // Both sides round at most K times: K eps sum |x w|, with |x| < 1 and |w| < 0.01 * 2^bits.
  const double tolerance = 2.0 * c.in_features * 0x1p-24 * c.in_features * 0.01 * (1 << c.bits);
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (!(std::abs(ours[i] - theirs[i]) <= tolerance)) {
      std::fprintf(stderr, "%s: element %zu differs from OpenBLAS: %g and %g\n", c.text().c_str(), i, ours[i],
                   theirs[i]);
      std::exit(1);
    }
}

perf::Result against_openblas(Queue& queue, const Case& c, int rounds) {
  const Weight weight(queue, c, 1);
  const std::vector<float> w = dense_weight(queue, c, weight),
                           x = perf::random_floats(static_cast<std::size_t>(c.tokens) * c.in_features, 9);
  std::vector<float> theirs(static_cast<std::size_t>(c.tokens) * c.out_features);
  const DeviceTensor dx = upload(queue, x, {c.tokens, c.in_features}),
                     dy = upload(queue, theirs, {c.tokens, c.out_features});
  const Contender ours{[&](int count) {
    for (int i = 0; i < count; ++i)
      ops::qmatmul(queue, runtime::Rounding::none, weight.view(), weight.lora, dx, dy);
    queue.finish();
  }};
  const auto M = static_cast<blasint>(c.tokens), N = static_cast<blasint>(c.out_features),
             K = static_cast<blasint>(c.in_features);
  const Contender rival{[&](int count) {
    for (int i = 0; i < count; ++i)
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1.0f, x.data(), K, w.data(), K, 0.0f,
                  theirs.data(), N);
  }};
  ours.run(1);
  rival.run(1);
  if (c.rank == 0) require_agreement(c, runtime::read_floats(queue, dy), theirs);
  const auto timings = perf::interleave({ours, rival}, rounds);
  return {"qmatmul",  c.text(),
          timings[0], weight.bytes(),
          c.flops(),  "",
          0,          std::string("OpenBLAS sgemm on f32, 2 threads, kernels for ") + openblas_get_corename(),
          timings[1]};
}

/// One token, with and without LoRA: every call uses another copy of the weight, so that it comes from memory
/// as it does in a model.
void one_token(Queue& queue, Case c, int rounds, const DeviceInfo& device) {
  constexpr double kBytesInTurns = 160e6;  // several times the last-level cache
  const std::uint32_t rank = c.rank;
  std::vector<Weight> weights;
  do weights.emplace_back(queue, c, 10 + static_cast<std::uint32_t>(weights.size()));
  while (static_cast<double>(weights.size()) * weights[0].bytes() < kBytesInTurns);
  const DeviceTensor x = upload(queue, perf::random_floats(c.in_features, 9), {1, c.in_features});
  const DeviceTensor y(queue.device(), DType::f32, {1, c.out_features}, "benchmark result");
  std::size_t next = 0;
  const auto contender = [&](bool with_lora) {
    return Contender{[&, with_lora](int count) {
      for (int i = 0; i < count; ++i) {
        const Weight& weight = weights[next++ % weights.size()];
        ops::qmatmul(queue, runtime::Rounding::none, weight.view(), with_lora ? weight.lora : ops::LoraView{},
                     x, y);
      }
      queue.finish();
    }};
  };
  std::vector<Contender> contenders{contender(false), contender(true)};
  const auto probes = perf::read_probes(queue);
  for (const auto& probe : probes) contenders.push_back(probe.contender);
  const auto timings = perf::interleave(contenders, rounds);
  double bandwidth = 0;
  for (std::size_t i = 0; i < probes.size(); ++i)
    bandwidth = std::max(bandwidth, probes[i].gb_per_second(timings[2 + i]));
  const double packed_bytes = static_cast<double>(weights[0].view().layout.bytes());
  c.rank = 0;
  perf::print({"qmatmul", c.text(), timings[0], packed_bytes, c.flops(), "read bandwidth", bandwidth, "", {}},
              device);
  c.rank = rank;
  perf::print({"qmatmul", c.text(), timings[1], weights[0].bytes(), c.flops(), "read bandwidth", bandwidth,
               "the same without LoRA", timings[0]},
              device);
}

/// dx = dy W: the forward product of the same size is the rival.
perf::Result backward(Queue& queue, const Case& c, int rounds) {
  const Weight weight(queue, c, 1);
  const DeviceTensor x =
      upload(queue, perf::random_floats(std::size_t{c.tokens} * c.in_features, 9), {c.tokens, c.in_features});
  const DeviceTensor y = upload(queue, perf::random_floats(std::size_t{c.tokens} * c.out_features, 8),
                                {c.tokens, c.out_features});
  const DeviceTensor dx(queue.device(), DType::f32, x.view().shape, "benchmark result"),
      out(queue.device(), DType::f32, y.view().shape, "benchmark result");
  const auto repeat = [&](auto product) {
    return Contender{[&queue, product](int count) {
      for (int i = 0; i < count; ++i) product();
      queue.finish();
    }};
  };
  const auto timings = perf::interleave(
      {repeat([&] { ops::qmatmul_bwd(queue, runtime::Rounding::none, weight.view(), weight.lora, y, dx); }),
       repeat([&] { ops::qmatmul(queue, runtime::Rounding::none, weight.view(), weight.lora, x, out); })},
      rounds);
  return {"qmatmul_bwd",         c.text(),  timings[0], weight.bytes(), c.flops(), "", 0,
          "the forward product", timings[1]};
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv);
  openblas_set_num_threads(2);
  const auto device = perf::open_device();
  const auto wanted = [&](const Case& c) { return c.text().find(options.filter) != std::string::npos; };
  std::vector<Case> blocks{{8, 4096, 4096, 8, 64, 0}, {128, 4096, 4096, 2, 64, 64}}, single, gradients;
  for (const std::uint32_t bits : {2u, 3u, 4u}) {
    for (const std::uint32_t tokens : {8u, 16u, 128u}) {
      blocks.push_back({tokens, 4096, 4096, bits, 64, 0});
      gradients.push_back({tokens, 4096, 4096, bits, 64, 0});
      if (bits == 2) gradients.push_back({tokens, 11008, 4096, bits, 64, 64});
    }
    single.push_back({1, 4096, 4096, bits, 64, 64});
    single.push_back({1, 11008, 4096, bits, 64, 64});
    single.push_back({1, 4096, 11008, bits, 64, 64});
  }
  for (const Case& c : single)
    if (wanted(c)) one_token(device->queue(), c, options.rounds, device->info());
  for (const Case& c : blocks)
    if (wanted(c)) perf::print(against_openblas(device->queue(), c, options.rounds), device->info());
  for (const Case& c : gradients)
    if (wanted(c)) perf::print(backward(device->queue(), c, options.rounds), device->info());
  return 0;
}
