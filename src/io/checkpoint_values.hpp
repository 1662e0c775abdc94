// What checksums cannot tell: whether the values of a stored linear are ones a correct writer could have
// produced.
#pragma once
#include <string>

#include "io/checkpoint.hpp"

namespace apiq {

/// Scales and LoRA finite, padding zero. Throws FormatError: "<where>/<dataset>: ...".
void check_values(const std::string& where, const QuantizedLinear& linear);

}  // namespace apiq
