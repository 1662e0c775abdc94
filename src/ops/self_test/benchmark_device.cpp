// apiq::benchmark_device: what the device can do at best, as medians of a few rounds of wall time around a
// finished queue.
#include <algorithm>
#include <chrono>
#include <functional>

#include "apiq/self_test.hpp"
#include "ops/gemm.hpp"
#include "ops/limits.hpp"
#include "ops/self_test/cases.hpp"

namespace apiq {

namespace {

using ops::self_test::DeviceTensor;
using ops::self_test::Queue;
using ops::self_test::space;

constexpr int kRounds = 7;

/// Median seconds; one round before them compiles and touches the memory.
double median_seconds(Queue& queue, const std::function<void()>& work) {
  work();
  queue.finish();
  std::vector<double> seconds;
  for (int i = 0; i < kRounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    queue.finish();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRounds / 2, seconds.end());
  return seconds[kRounds / 2];
}

double multiply_add_gflops(Queue& queue) {
  constexpr int kCalls = 8;  // one alone is over before a waiting second core has woken
  const DeviceTensor y = space(queue, {ops::multiply_add_items(queue)});
  double flops = 0;
  const double seconds = median_seconds(queue, [&] {
    for (int i = 0; i < kCalls; ++i)
      flops = ops::multiply_add(queue, ops::multiply_add_steps(queue), 0.5f, 1.0f, y);
  });
  return kCalls * flops * 1e-9 / seconds;
}

}  // namespace

DeviceBenchmark benchmark_device(Device& device) {
  Queue& queue = device.impl().queue();
  DeviceBenchmark out;
  // Far larger than any cache, but no more than an eighth of the budget: two such buffers and a host copy.
  const std::uint64_t granule = ops::read_granule_words(queue);
  const std::uint64_t bytes =
      std::min({std::uint64_t{256} << 20, device.budget_bytes() / 8, device.info().max_buffer_bytes});
  const std::uint64_t count = std::max<std::uint64_t>(1, bytes / sizeof(float) / granule) * granule;
  const double gigabytes = static_cast<double>(count * sizeof(float)) * 1e-9;
  std::vector<float> host(count, 1.0f);
  {
    const DeviceTensor a(queue.device(), DType::u32, {count}, "benchmark"),
        b(queue.device(), DType::u32, {count}, "benchmark");
    const DeviceTensor sums(queue.device(), DType::u32, {ops::read_sums(queue, count)}, "benchmark");
    out.upload_gbps = gigabytes / median_seconds(queue, [&] { queue.write(a, host.data()); });
    queue.write(b, host.data());
    out.copy_gbps = 2 * gigabytes / median_seconds(queue, [&] { queue.copy(a, b); });
    out.read_gbps = gigabytes / median_seconds(queue, [&] { ops::read_words(queue, a, sums); });
    out.download_gbps = gigabytes / median_seconds(queue, [&] { queue.read(a, host.data()); });
  }
  out.multiply_add_gflops = multiply_add_gflops(queue);
  constexpr std::uint64_t kSide = 1024;
  std::vector<float> values = ops::self_test::random_values(kSide * kSide, 2);
  const DeviceTensor a = ops::self_test::put(queue, values, {kSide, kSide}),
                     b = ops::self_test::put(queue, values, {kSide, kSide}), c = space(queue, {kSide, kSide});
  out.matmul_gflops = 2.0 * kSide * kSide * kSide * 1e-9 /
                      median_seconds(queue, [&] { ops::matmul_nt(queue, runtime::Rounding::none, a, b, c); });
  return out;
}

}  // namespace apiq
