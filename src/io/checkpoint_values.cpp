#include "io/checkpoint_values.hpp"

#include <algorithm>

#include "apiq/error.hpp"

namespace apiq {
namespace {

void check_finite(const std::string& where, const char* dataset, const std::vector<std::uint16_t>& halves) {
  constexpr std::uint16_t kExponent = 0x7c00;  // all ones: infinity or NaN
  const auto bad = std::find_if(halves.begin(), halves.end(),
                                [](std::uint16_t h) { return (h & kExponent) == kExponent; });
  if (bad != halves.end())
    throw FormatError(where + "/" + dataset + ": element " + std::to_string(bad - halves.begin()) +
                      " is not a finite number");
}

}  // namespace

void check_values(const std::string& where, const QuantizedLinear& linear) {
  linear.weight.layout.codec->check_values(linear.weight, where);
  check_finite(where, "lora_A", linear.lora_A);
  check_finite(where, "lora_B", linear.lora_B);
}

}  // namespace apiq
