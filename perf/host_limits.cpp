#include "host_limits.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <vector>

#include "timing.hpp"

namespace apiq::perf {

double host_read_gb_per_second(int rounds, std::size_t bytes) {
  const std::vector<std::uint64_t> data(bytes / sizeof(std::uint64_t), 1);
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::uint64_t> sums(threads);
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    const double begin = now_ms();
    std::vector<std::thread> workers;
    for (unsigned t = 0; t < threads; ++t)
      workers.emplace_back([&, t] {
        const std::size_t share = data.size() / threads;
        std::uint64_t lanes[8] = {};  // independent sums, so that loads, not adds, set the pace
        for (std::size_t i = t * share; i + 8 <= (t + 1) * share; i += 8)
          for (int lane = 0; lane < 8; ++lane) lanes[lane] += data[i + static_cast<std::size_t>(lane)];
        for (const auto lane : lanes) sums[t] += lane;
      });
    for (auto& worker : workers) worker.join();
    best = std::max(best, static_cast<double>(bytes) / 1e6 / (now_ms() - begin));
  }
  if (sums[0] == 0) std::abort();  // keeps the reads
  return best;
}

}  // namespace apiq::perf
