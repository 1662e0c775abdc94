// AdamW at the sizes it trains: a weight of a 7B model (latent weights), its LoRA of rank 64, and the demo
// model's; against the read bandwidth. Traffic: parameters, gradient and two moments read, all but the
// gradient written.
#include "kernel_bench.hpp"
#include "ops/adamw.hpp"

int main(int argc, char** argv) {
  using namespace apiq;
  const auto options = perf::parse_options(argc, argv);
  const auto device = perf::open_device();
  perf::KernelBench bench("optim", device->queue(), options);
  for (const Shape& shape : {Shape{256, 16}, Shape{4096, 64}, Shape{4096, 4096}}) {
    const auto p = bench.tensor(shape), g = bench.tensor(shape), m = bench.tensor(shape),
               v = bench.tensor(shape), loss = bench.tensor({1}), skipped = bench.tensor({1}, DType::u32);
    bench.queue().fill_zero(v);  // second moments are not negative
    bench.queue().fill_zero(skipped);
    bench.streams("adamw_step " + std::to_string(shape[0]) + "x" + std::to_string(shape[1]),
                  7.0 * static_cast<double>(p.view().bytes()),
                  [&] { ops::adamw_step(bench.queue(), {}, 1, loss, skipped, p, g, m, v); });
    bench.streams("guard_loss " + std::to_string(shape[0]) + "x" + std::to_string(shape[1]),
                  static_cast<double>(g.view().bytes()), [&] { ops::guard_loss(bench.queue(), loss, g); });
  }
  return 0;
}
