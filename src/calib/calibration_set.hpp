// The token windows a calibration run learns from.
#pragma once
#include <cstdint>
#include <vector>

namespace apiq::calib {

struct CalibrationSet {
  std::uint32_t sequence_length = 0;
  std::vector<std::vector<std::int32_t>> samples;  // each sequence_length ids
};

/// The windows of the GPTQ / OmniQuant / ApiQ line of papers: CPython's random.seed(seed), then for each
/// sample randint(0, tokens - sequence_length - 1) (specification, 3.7). Throws InvalidArgument if the text
/// is too short.
CalibrationSet sample_windows(const std::vector<std::int32_t>& tokens, std::uint32_t num_samples,
                              std::uint32_t sequence_length, std::uint64_t seed);

}  // namespace apiq::calib
