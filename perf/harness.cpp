#include "harness.hpp"

#include <random>

namespace apiq::perf {

std::unique_ptr<runtime::Device> open_device(bool profile, std::uint64_t memory_bytes) {
  DeviceOptions options;
  options.profile = profile;
  options.memory_bytes = memory_bytes;
  if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
  return runtime::Device::open(options);
}

std::vector<float> random_floats(std::size_t count, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<float> out(count);
  for (float& value : out) value = static_cast<float>(generator() >> 8) * 0x1p-23f - 1.0f;
  return out;
}

}  // namespace apiq::perf
