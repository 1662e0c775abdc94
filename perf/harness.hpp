// Shared by the benchmarks: interleaved timing of ours and rivals, measured limits of the machine, and one JSON object per line.
// Rounds go ours, rival, ours, rival...: on a shared machine speed changes over minutes, ratios inside one round hold.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "apiq/version.hpp"
#include "runtime/queue.hpp"

namespace apiq::perf {

/// Command line of every benchmark: [--rounds N] [--filter PART_OF_A_CASE_NAME]
struct Options {
  int rounds = 9;
  std::string filter;
};

inline Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const bool known = (name == "--rounds" || name == "--filter") && i + 1 < argc;
    if (!known) {
      std::fprintf(stderr, "usage: %s [--rounds N] [--filter PART_OF_A_CASE_NAME]\n", argv[0]);
      std::exit(2);
    }
    ++i;
    if (name == "--rounds") options.rounds = std::max(1, std::atoi(argv[i]));
    else options.filter = argv[i];
  }
  return options;
}

/// The device the programs would use: $APIQ_DEVICE, else auto.
inline std::unique_ptr<runtime::Device> open_device() {
  DeviceOptions options;
  if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
  return runtime::Device::open(options);
}

inline double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Milliseconds per call.
struct Timing {
  double median = 0, min = 0;
  int rounds = 0;
};

/// Median of rounds, and how many there were. `samples` in milliseconds, not empty.
inline Timing summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t n = samples.size();
  return {n % 2 ? samples[n / 2] : 0.5 * (samples[n / 2 - 1] + samples[n / 2]), samples.front(), static_cast<int>(n)};
}

/// One thing to time. `run` does the work `count` times and returns when all of it is done.
struct Contender {
  std::function<void(int count)> run;
};

/// How many calls make a sample long enough (about 40 ms) that clock, launch and the waking of a second core after a pause are noise.
inline int calls_per_sample(const Contender& contender) {
  contender.run(1);  // compiles, allocates
  const double begin = now_ms();
  contender.run(1);
  return static_cast<int>(std::clamp(40.0 / std::max(now_ms() - begin, 1e-3), 1.0, 4000.0));
}

/// Times the contenders in turns, after a warm-up of each. Samples are milliseconds per call.
inline std::vector<Timing> interleave(const std::vector<Contender>& contenders, int rounds) {
  std::vector<int> counts;
  for (const auto& contender : contenders) counts.push_back(calls_per_sample(contender));
  std::vector<std::vector<double>> samples(contenders.size());
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      // Idle OpenBLAS threads go on spinning for some 20 ms; they must not take cores from whoever comes next.
      std::this_thread::sleep_for(std::chrono::milliseconds(40));
      contenders[i].run(1 + counts[i] / 4);
      const double begin = now_ms();
      contenders[i].run(counts[i]);
      samples[i].push_back((now_ms() - begin) / counts[i]);
    }
  std::vector<Timing> out;
  for (auto& list : samples) out.push_back(summarize(std::move(list)));
  return out;
}

/// Bytes per second (in GB/s) at which all host threads together read a buffer far larger than the last-level cache; best of `rounds`.
/// On CPU devices this is the limit of everything that streams.
inline double host_read_gb_per_second(int rounds = 5, std::size_t bytes = std::size_t{512} << 20) {
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

/// One line of output. `limit` in the unit of what it limits: GFLOP/s or GB/s; 0: not known.
struct Result {
  std::string benchmark, name;
  Timing ours;
  double bytes = 0, flops = 0;  // per call: least traffic (each operand once), arithmetic
  std::string limit_name;       // "fp32 matmul rate" limits flops, "read bandwidth" limits bytes
  double limit = 0;
  std::string rival;  // empty: none
  Timing rivals;
};

inline void print(const Result& result, const DeviceInfo& device) {
  const double gbps = result.bytes / 1e6 / result.ours.median, gflops = result.flops / 1e6 / result.ours.median;
  nlohmann::ordered_json line{{"benchmark", result.benchmark},
                              {"case", result.name},
                              {"milliseconds_median", result.ours.median},
                              {"milliseconds_min", result.ours.min},
                              {"rounds", result.ours.rounds},
                              {"bytes", result.bytes},
                              {"flops", result.flops},
                              {"gb_per_second", gbps},
                              {"gflop_per_second", gflops}};
  if (result.limit > 0) {
    line["limit_name"] = result.limit_name;
    line["limit"] = result.limit;
    line["share_of_limit"] = (result.limit_name == "read bandwidth" ? gbps : gflops) / result.limit;
  }
  if (!result.rival.empty()) {
    line["rival"] = result.rival;
    line["rival_milliseconds_median"] = result.rivals.median;
    line["ratio_to_rival"] = result.rivals.median / result.ours.median;
  }
  line["device"] = {{"name", device.name}, {"vendor", device.vendor}, {"driver", device.driver}, {"platform", device.platform}};
  line["version"] = version();
  line["commit"] = commit();
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

/// Uniform in [-1, 1), the same for the same seed.
inline std::vector<float> random_floats(std::size_t count, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<float> out(count);
  for (float& value : out) value = static_cast<float>(generator() >> 8) * 0x1p-23f - 1.0f;
  return out;
}

}  // namespace apiq::perf
