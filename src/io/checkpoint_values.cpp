#include "io/checkpoint_values.hpp"

#include <algorithm>

#include "apiq/error.hpp"
#include "util/half.hpp"

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
  const PackedMatrix& m = linear.weight;
  check_finite(where, "scales", m.scales);
  check_finite(where, "lora_A", linear.lora_A);
  check_finite(where, "lora_B", linear.lora_B);
  // Packing what was unpacked fills the padding with zeros, so any difference lies there. Finite halves
  // survive f32 unchanged.
  std::vector<std::uint16_t> scales;
  for (float scale : unpack_scales(m)) scales.push_back(float_to_half(scale));
  const PackedMatrix clean = pack(m.layout, unpack_codes(m), scales, unpack_zeros(m));
  if (clean.qweight != m.qweight) throw FormatError(where + "/qweight: codes past the matrix are not zero");
  if (clean.scales != m.scales) throw FormatError(where + "/scales: scales past out_features are not zero");
  if (clean.qzeros != m.qzeros)
    throw FormatError(where + "/qzeros: zero points past out_features are not zero");
}

}  // namespace apiq
