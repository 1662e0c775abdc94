#include "calib/calibration_set.hpp"

#include <string>

#include "apiq/error.hpp"
#include "util/python_random.hpp"

namespace apiq::calib {

CalibrationSet sample_windows(const std::vector<std::int32_t>& tokens, std::uint32_t num_samples,
                              std::uint32_t sequence_length, std::uint64_t seed) {
  if (tokens.size() <= sequence_length)
    throw InvalidArgument("[calibration] the text has " + std::to_string(tokens.size()) +
                          " tokens; windows of " + std::to_string(sequence_length) + " need at least " +
                          std::to_string(sequence_length + 1) +
                          "; give more text or a smaller --sequence-length");
  PythonRandom random(seed);
  CalibrationSet set{sequence_length, {}};
  const auto last = static_cast<std::int64_t>(tokens.size()) - sequence_length - 1;
  for (std::uint32_t i = 0; i < num_samples; ++i) {
    const auto begin = tokens.begin() + random.randint(0, last);
    set.samples.emplace_back(begin, begin + sequence_length);
  }
  return set;
}

}  // namespace apiq::calib
