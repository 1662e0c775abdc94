// Settings of some linears that differ from the rest: --override PATTERN=bits:4,group-size:128.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace apiq {

struct ModuleOverride {
  std::string pattern;  // shell pattern over names like "model.layers.0.mlp.down_proj", or over their end
  std::optional<std::uint32_t> bits, group_size, rank;  // group_size 0: whole rows
};

/// "PATTERN=bits:4,group-size:128,rank:32", any of the settings, group-size a number or "row". Throws
/// InvalidArgument for unknown keys, a missing '=', numbers that are none, and bits that are not legal.
ModuleOverride parse_override(const std::string& text);
/// Inverse of parse_override.
std::string override_text(const ModuleOverride& setting);

}  // namespace apiq
