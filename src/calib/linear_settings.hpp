// --modules and --override: which linears are quantized, and with what settings each.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apiq/quantize.hpp"

namespace apiq::calib {

/// Settings of one linear. If it is not quantized the numbers mean nothing: its weight stays as the model has
/// it.
struct LinearSettings {
  bool quantize = true;
  std::uint32_t bits = 0, group_size = 0, rank = 0;  // group_size is never 0: whole rows are in_features
};

/// Shell pattern (*, ?, [..]; * also matches dots) over the whole name or over a part of it that begins after
/// a dot: "down_proj", "mlp.*" and "model.layers.0.*" all match "model.layers.0.mlp.down_proj".
bool matches(const std::string& pattern, const std::string& linear_name);

/// linear_name: "model.layers.0.mlp.down_proj". An override changes what it names; of several that match, the
/// last one wins, setting by setting.
LinearSettings settings_of(const QuantizeOptions& options, const std::string& linear_name,
                           std::uint32_t in_features);

/// Throws InvalidArgument for a pattern of `modules` or `overrides` that matches none of the names (the text
/// lists what there is), and for an override of linears that are not quantized.
void check_patterns(const QuantizeOptions& options, const std::vector<std::string>& linear_names);

}  // namespace apiq::calib
