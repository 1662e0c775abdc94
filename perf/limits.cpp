#include "limits.hpp"

#include <cblas.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>

#include "ops/limits.hpp"
#include "runtime/pinned_buffer.hpp"
#include "runtime/transfer_queue.hpp"

namespace apiq::perf {

using runtime::DeviceTensor;
using runtime::Queue;

namespace {

/// Far larger than the last-level cache of any device known to us (EPYC: 384 MiB for a socket, of which a
/// virtual machine sees a part), but no more than an eighth of the budget.
std::uint64_t probe_bytes(Queue& queue) {
  runtime::Device& device = queue.device();
  const std::uint64_t wanted = std::uint64_t{512} << 20, granule = 4 * ops::read_granule_words(queue);
  const std::uint64_t allowed = std::min(device.budget().limit_bytes() / 8, device.info().max_buffer_bytes);
  return std::max(granule, std::min(wanted, allowed) / granule * granule);
}

std::shared_ptr<DeviceTensor> zeros(Queue& queue, DType dtype, std::uint64_t elements) {
  auto tensor = std::make_shared<DeviceTensor>(queue.device(), dtype, Shape{elements}, "limit probe");
  queue.fill_zero(*tensor);
  return tensor;
}

void sum_share(const std::vector<std::uint64_t>& data, std::size_t begin, std::size_t end,
               std::uint64_t& sum) {
  std::uint64_t lanes[8] = {};  // independent sums, so that loads, not adds, set the pace
  for (std::size_t i = begin; i + 8 <= end; i += 8)
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += data[i + static_cast<std::size_t>(lane)];
  for (const auto lane : lanes) sum += lane;
}

/// Reads all of data with every host thread.
void read_with_all_threads(const std::vector<std::uint64_t>& data) {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::uint64_t> sums(threads);
  std::vector<std::thread> workers;
  for (unsigned t = 0; t < threads; ++t)
    workers.emplace_back(
        [&, t] { sum_share(data, data.size() / threads * t, data.size() / threads * (t + 1), sums[t]); });
  for (auto& worker : workers) worker.join();
  if (sums[0] == 0) std::abort();  // keeps the reads; data holds no zeros
}

/// Between pinned memory and the device, in the direction of `enqueue`.
template <class Enqueue>
Probe transfer_probe(Queue& queue, const char* name, Enqueue enqueue) {
  const std::uint64_t bytes = std::min<std::uint64_t>(probe_bytes(queue), std::uint64_t{256} << 20);
  auto device = zeros(queue, DType::u8, bytes);
  auto host = std::make_shared<runtime::PinnedBuffer>(queue.device(), bytes, "limit probe");
  std::fill(host->bytes().begin(), host->bytes().end(), std::byte{1});  // touches every page
  auto transfers = std::make_shared<runtime::TransferQueue>(queue.device(), name, nullptr);
  queue.finish();
  return {name,
          {[=](int count) {
            runtime::Event last;
            for (int i = 0; i < count; ++i) last = enqueue(*transfers, *device, host->data());
            last.wait();
          }},
          static_cast<double>(bytes)};
}

}  // namespace

Probe device_read_probe(Queue& queue) {
  const std::uint64_t words = probe_bytes(queue) / 4;
  auto data = zeros(queue, DType::u32, words), sums = zeros(queue, DType::u32, ops::read_sums(queue, words));
  return {"read bandwidth, device",
          {[=, &queue](int count) {
            for (int i = 0; i < count; ++i) ops::read_words(queue, *data, *sums);
            queue.finish();
          }},
          4.0 * static_cast<double>(words)};
}

Probe host_read_probe() {
  constexpr std::size_t bytes = std::size_t{512} << 20;
  auto data = std::make_shared<std::vector<std::uint64_t>>(bytes / sizeof(std::uint64_t), 1);
  return {"read bandwidth, host threads",
          {[data](int count) {
            for (int i = 0; i < count; ++i) read_with_all_threads(*data);
          }},
          static_cast<double>(bytes)};
}

Probe copy_probe(Queue& queue) {
  const std::uint64_t bytes = probe_bytes(queue);
  auto from = zeros(queue, DType::u8, bytes), to = zeros(queue, DType::u8, bytes);
  return {"copy bandwidth",
          {[=, &queue](int count) {
            for (int i = 0; i < count; ++i) queue.copy(*from, *to);
            queue.finish();
          }},
          2.0 * static_cast<double>(bytes)};
}

Probe upload_probe(Queue& queue) {
  return transfer_probe(queue, "upload bandwidth, pinned",
                        [](runtime::TransferQueue& transfers, const DeviceTensor& device, std::byte* host) {
                          return transfers.write(device, host);
                        });
}

Probe download_probe(Queue& queue) {
  return transfer_probe(queue, "download bandwidth, pinned",
                        [](runtime::TransferQueue& transfers, const DeviceTensor& device, std::byte* host) {
                          return transfers.read(device, host);
                        });
}

Probe multiply_add_probe(Queue& queue) {
  const std::uint32_t steps = ops::multiply_add_steps(queue);
  auto y = zeros(queue, DType::f32, ops::multiply_add_items(queue));
  const double flops = ops::multiply_add(queue, steps, 0.5f, 1.0f, *y);
  return {"fp32 multiply-add rate",
          {[=, &queue](int count) {
            for (int i = 0; i < count; ++i) ops::multiply_add(queue, steps, 0.5f, 1.0f, *y);
            queue.finish();
          }},
          0,
          flops};
}

Probe blas_probe() {
  constexpr blasint n = 2048;
  constexpr std::size_t elements = static_cast<std::size_t>(n) * n;
  auto a = std::make_shared<std::vector<float>>(elements, 0.5f),
       b = std::make_shared<std::vector<float>>(elements, 0.25f),
       c = std::make_shared<std::vector<float>>(elements);
  return {std::string("fp32 matmul rate, OpenBLAS with kernels for ") + openblas_get_corename(),
          {[=](int count) {
            for (int i = 0; i < count; ++i)
              cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, n, 1.0f, a->data(), n, b->data(), n,
                          0.0f, c->data(), n);
          }},
          0,
          2.0 * n * n * n};
}

std::vector<Probe> read_probes(Queue& queue) {
  std::vector<Probe> probes{device_read_probe(queue)};
  if (queue.device().info().is_cpu) probes.push_back(host_read_probe());
  return probes;
}

double read_gb_per_second(Queue& queue, int rounds) {
  const auto probes = read_probes(queue);
  std::vector<Contender> contenders;
  for (const auto& probe : probes) contenders.push_back(probe.contender);
  const auto timings = interleave(contenders, rounds);
  double best = 0;
  for (std::size_t i = 0; i < probes.size(); ++i) best = std::max(best, probes[i].gb_per_second(timings[i]));
  return best;
}

double host_read_gb_per_second(int rounds, std::size_t bytes) {
  const std::vector<std::uint64_t> data(bytes / sizeof(std::uint64_t), 1);
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    const double begin = now_ms();
    read_with_all_threads(data);
    best = std::max(best, static_cast<double>(bytes) / 1e6 / (now_ms() - begin));
  }
  return best;
}

}  // namespace apiq::perf
