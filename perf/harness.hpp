// Everything a benchmark includes: options, interleaved timing, limits, results, and the device to run on.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "limits.hpp"
#include "options.hpp"
#include "result.hpp"
#include "runtime/queue.hpp"
#include "timing.hpp"

namespace apiq::perf {

/// The device the programs would use: $APIQ_DEVICE, else auto. memory_bytes: hard budget, 0 for the device's
/// own.
std::unique_ptr<runtime::Device> open_device(bool profile = false, std::uint64_t memory_bytes = 0);

/// Uniform in [-1, 1), the same for the same seed.
std::vector<float> random_floats(std::size_t count, std::uint32_t seed);

}  // namespace apiq::perf
