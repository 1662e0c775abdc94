// Operations that only move memory: fake quantization, AdamW, squared error and cross entropy at the sizes of a 7B model's layers.
// Least traffic: each operand read once, each result written once.
#include "harness.hpp"
#include "ops/adamw.hpp"
#include "ops/fake_quant.hpp"
#include "ops/nn.hpp"

namespace {

using apiq::DType;
using apiq::Shape;
using apiq::perf::Contender;
using apiq::runtime::DeviceTensor;
using apiq::runtime::Queue;

struct Case {
  std::string name;
  double bytes;
  std::function<void()> enqueue;
};

DeviceTensor random_tensor(Queue& queue, const Shape& shape, float scale = 1.0f) {
  DeviceTensor tensor(queue.device(), DType::f32, shape, "benchmark operand");
  auto values = apiq::perf::random_floats(shape.elements(), 1);
  for (float& value : values) value *= scale;
  queue.write(tensor, values.data());
  return tensor;
}

/// Everything the cases work on; one weight of 11008 x 4096 and logits of 128 x 32000.
struct Operands {
  explicit Operands(Queue& q) : queue(q) {}
  Queue& queue;
  Shape matrix{11008, 4096}, grid64{11008, 64}, logits_shape{128, 32000};
  DeviceTensor w = random_tensor(queue, matrix), other = random_tensor(queue, matrix), what = random_tensor(queue, matrix),
               state = random_tensor(queue, matrix);
  DeviceTensor xmin = random_tensor(queue, grid64), xmax = random_tensor(queue, grid64), upbound = random_tensor(queue, grid64, 4.0f);
  DeviceTensor scale = random_tensor(queue, grid64), zero = random_tensor(queue, grid64), d_up = random_tensor(queue, grid64),
               d_low = random_tensor(queue, grid64);
  DeviceTensor logits = random_tensor(queue, logits_shape, 8.0f), d_logits = random_tensor(queue, logits_shape);
  DeviceTensor targets{queue.device(), DType::u32, {128}, "targets"}, argmax{queue.device(), DType::u32, {128}, "argmax"};
  DeviceTensor row_loss{queue.device(), DType::f32, {128}, "loss"}, loss{queue.device(), DType::f32, {1}, "loss"};
};

std::vector<Case> all_cases(Operands& o) {
  namespace ops = apiq::ops;
  const ops::QuantSpec spec{.bits = 2, .group_size = 64};
  const double matrix = 4.0 * static_cast<double>(o.matrix.elements()), grid = 4.0 * static_cast<double>(o.grid64.elements());
  const double logits = 4.0 * static_cast<double>(o.logits_shape.elements());
  return {
      {"group_range", matrix + 2 * grid, [&] { ops::group_range(o.queue, o.w, 64, o.xmin, o.xmax); }},
      {"quant_grid", 6 * grid, [&, spec] { ops::quant_grid(o.queue, spec, o.xmin, o.xmax, o.upbound, o.upbound, o.scale, o.zero); }},
      {"fake_quant_fwd", 2 * matrix + 2 * grid, [&, spec] { ops::fake_quant_fwd(o.queue, spec, o.w, o.scale, o.zero, o.what); }},
      {"fake_quant_bwd", 2 * matrix + 8 * grid,
       [&, spec] { ops::fake_quant_bwd(o.queue, spec, o.w, o.scale, o.zero, o.xmin, o.xmax, o.upbound, o.upbound, o.other, o.d_up, o.d_low); }},
      {"fake_quant_bwd with d_w", 3 * matrix + 8 * grid,
       [&, spec] {
         ops::fake_quant_bwd(o.queue, spec, o.w, o.scale, o.zero, o.xmin, o.xmax, o.upbound, o.upbound, o.other, o.d_up, o.d_low, o.what);
       }},
      {"mse_range", matrix + 4 * grid, [&, spec] { ops::mse_range(o.queue, spec, o.w, o.xmin, o.xmax, o.d_up, o.d_low); }},
      {"scaled_add", 3 * matrix, [&] { ops::scaled_add(o.queue, 0.5f, o.w, 0.5f, o.other, o.what); }},
      {"dot", 2 * matrix, [&] { ops::dot(o.queue, o.w, o.other, o.loss); }},
      {"adamw_step", 7 * matrix, [&] { ops::adamw_step(o.queue, {}, 1, o.loss, o.w, o.other, o.what, o.state); }},
      {"squared_error", 3 * matrix, [&] { ops::squared_error(o.queue, o.w, o.other, 1.0f, o.what, o.loss); }},
      {"cross_entropy_fwd", logits, [&] { ops::cross_entropy_fwd(o.queue, o.logits, o.targets, o.row_loss, o.argmax); }},
      {"cross_entropy_bwd", 2 * logits, [&] { ops::cross_entropy_bwd(o.queue, o.logits, o.targets, 1.0f, o.d_logits); }},
  };
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = apiq::perf::parse_options(argc, argv);
  const auto device = apiq::perf::open_device();
  Operands operands(device->queue());
  device->queue().fill_zero(operands.targets);
  device->queue().fill_zero(operands.loss);
  // The state's second moment must not be negative; ranges and grid come from the first two cases.
  device->queue().fill_zero(operands.state);
  const double limit = apiq::perf::read_gb_per_second(device->queue());
  for (const auto& x : all_cases(operands)) {
    const Contender ours{[&](int count) {
      for (int i = 0; i < count; ++i) x.enqueue();
      device->queue().finish();
    }};
    ours.run(1);  // also where the filter skips the timing: later cases need the results
    if (x.name.find(options.filter) == std::string::npos) continue;
    const auto timings = apiq::perf::interleave({ours}, options.rounds);
    apiq::perf::print({"elementwise", x.name, timings[0], x.bytes, 0, "read bandwidth", limit, "", {}}, device->info());
  }
  return 0;
}
