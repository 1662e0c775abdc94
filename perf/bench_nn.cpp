// Row and elementwise operations of a block and its losses, at the sizes of the demo model (256 tokens) and
// of a 7B model (512 tokens), against the read bandwidth. Least traffic: each operand read once, each result
// written once. The demo model's operands stay in caches.
#include "kernel_bench.hpp"
#include "ops/nn.hpp"

namespace {

using namespace apiq;
using perf::KernelBench;

struct Sizes {
  std::uint64_t tokens, hidden, intermediate, heads, head_dim;
};

std::string shape_text(std::uint64_t rows, std::uint64_t columns, DType dtype) {
  return " " + std::to_string(rows) + "x" + std::to_string(columns) + " " + std::string(name_of(dtype));
}

void row_operations(KernelBench& bench, const Sizes& s, DType dtype) {
  auto& queue = bench.queue();
  const auto x = bench.tensor({s.tokens, s.hidden}, dtype), y = bench.tensor({s.tokens, s.hidden}, dtype),
             dx = bench.tensor({s.tokens, s.hidden}, dtype), weight = bench.tensor({s.hidden}),
             loss = bench.tensor({1});
  const auto cos = bench.tensor({s.tokens, s.head_dim / 2}), sin = bench.tensor({s.tokens, s.head_dim / 2});
  ops::rope_tables(queue, 10000.0f, static_cast<std::uint32_t>(s.head_dim), cos, sin);
  const auto heads = x.view().reshaped({s.tokens, s.heads, s.head_dim});
  const double rows = static_cast<double>(x.view().bytes());
  const std::string text = shape_text(s.tokens, s.hidden, dtype);
  bench.streams("rmsnorm_fwd" + text, 2 * rows, [&] { ops::rmsnorm_fwd(queue, x, weight, 1e-5f, y); });
  bench.streams("rmsnorm_bwd" + text, 3 * rows, [&] { ops::rmsnorm_bwd(queue, x, weight, 1e-5f, y, dx); });
  bench.streams("add" + text, 3 * rows, [&] { ops::add(queue, x, y, dx); });
  bench.streams("rope_fwd" + text, 2 * rows, [&] { ops::rope_fwd(queue, heads, cos, sin, 0); });
  bench.streams("rope_bwd" + text, 2 * rows, [&] { ops::rope_bwd(queue, heads, cos, sin, 0); });
  bench.streams("squared_error" + text, 3 * rows, [&] { ops::squared_error(queue, x, y, 1.0f, dx, loss); });
  bench.streams("dot" + text, 2 * rows, [&] { ops::dot(queue, x, y, loss); });
}

void swiglu(KernelBench& bench, const Sizes& s, DType dtype) {
  const Shape shape{s.tokens, s.intermediate};
  const auto gate = bench.tensor(shape, dtype), up = bench.tensor(shape, dtype),
             z = bench.tensor(shape, dtype), d_gate = bench.tensor(shape, dtype),
             d_up = bench.tensor(shape, dtype);
  const double rows = static_cast<double>(gate.view().bytes());
  const std::string text = shape_text(s.tokens, s.intermediate, dtype);
  bench.streams("swiglu_fwd" + text, 3 * rows, [&] { ops::swiglu_fwd(bench.queue(), gate, up, z); });
  bench.streams("swiglu_bwd" + text, 5 * rows,
                [&] { ops::swiglu_bwd(bench.queue(), gate, up, z, d_gate, d_up); });
}

void cross_entropy(KernelBench& bench) {
  const std::uint64_t tokens = 128, vocabulary = 32000;
  const auto logits = bench.tensor({tokens, vocabulary}, DType::f32, 8.0f),
             d_logits = bench.tensor({tokens, vocabulary});
  const auto targets = bench.tensor({tokens}, DType::u32), argmax = bench.tensor({tokens}, DType::u32),
             loss = bench.tensor({tokens});
  const double bytes = static_cast<double>(logits.view().bytes());
  const std::string text = shape_text(tokens, vocabulary, DType::f32);
  bench.streams("cross_entropy_fwd" + text, bytes,
                [&] { ops::cross_entropy_fwd(bench.queue(), logits, targets, loss, argmax); });
  bench.streams("cross_entropy_bwd" + text, 2 * bytes,
                [&] { ops::cross_entropy_bwd(bench.queue(), logits, targets, 1.0f, d_logits); });
}

void conversions(KernelBench& bench) {
  const Shape shape{4096, 4096};
  const auto out = bench.tensor(shape);
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const auto in = bench.tensor(shape, dtype);
    bench.streams("to_f32" + shape_text(4096, 4096, dtype),
                  static_cast<double>(in.view().bytes() + out.view().bytes()),
                  [&] { ops::to_f32(bench.queue(), in, out); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv);
  const auto device = perf::open_device();
  KernelBench bench("nn", device->queue(), options);
  for (const Sizes& s : {Sizes{256, 256, 768, 8, 32}, Sizes{512, 4096, 11008, 32, 128}})
    for (const DType dtype : {DType::f32, DType::f16}) {
      row_operations(bench, s, dtype);
      swiglu(bench, s, dtype);
    }
  cross_entropy(bench);
  conversions(bench);
  return 0;
}
