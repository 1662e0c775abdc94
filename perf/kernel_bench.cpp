#include "kernel_bench.hpp"

#include "ops/gemm.hpp"
#include "util/half.hpp"

namespace apiq::perf {

runtime::DeviceTensor KernelBench::tensor(const Shape& shape, DType dtype, float scale) const {
  runtime::DeviceTensor out(queue_.device(), dtype, shape, "benchmark operand");
  std::vector<float> values =
      dtype == DType::f32 || dtype == DType::f16 ? random_floats(shape.elements(), 1) : std::vector<float>{};
  for (float& value : values) value *= scale;
  if (dtype == DType::f32) {
    queue_.write(out, values.data());
  } else if (dtype == DType::f16) {
    std::vector<std::uint16_t> raw(values.size());
    std::transform(values.begin(), values.end(), raw.begin(), float_to_half);
    queue_.write(out, raw.data());
  } else {
    queue_.fill_zero(out);
  }
  return out;
}

Contender KernelBench::enqueued(std::function<void()> enqueue) const {
  return {[this, enqueue = std::move(enqueue)](int count) {
    for (int i = 0; i < count; ++i) enqueue();
    queue_.finish();
  }};
}

void KernelBench::streams(const std::string& name, double bytes, const std::function<void()>& enqueue) {
  if (!options_.wants(name)) return;
  if (read_gb_per_second_ == 0) read_gb_per_second_ = perf::read_gb_per_second(queue_);
  const auto timings = interleave({enqueued(enqueue)}, options_.rounds);
  print({benchmark_, name, timings[0], bytes, 0, "read bandwidth", read_gb_per_second_, "", {}},
        queue_.device().info());
}

void KernelBench::computes(const std::string& name, double bytes, double flops,
                           const std::function<void()>& enqueue, const std::optional<Rival>& rival) {
  if (!options_.wants(name)) return;
  constexpr std::uint64_t n = 1024;
  const auto a = tensor({n, n}), b = tensor({n, n}), c = tensor({n, n});
  std::vector<Contender> contenders{enqueued(enqueue), enqueued([&] {
                                      ops::matmul_nt(queue_, runtime::Rounding::none, a, b, c, 1.0f, 0.0f);
                                    })};
  if (rival) contenders.push_back(rival->contender);
  const auto timings = interleave(contenders, options_.rounds);
  Result result{benchmark_,
                name,
                timings[0],
                bytes,
                flops,
                "fp32 matmul rate",
                2.0 * n * n * n / 1e6 / timings[1].median,
                "",
                {}};
  if (rival) {
    result.rival = rival->name;
    result.rivals = timings[2];
  }
  print(result, queue_.device().info());
}

}  // namespace apiq::perf
