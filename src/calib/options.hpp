// Options of a run: what was left open is filled in, what does not fit the model is refused, what determines
// the result is recorded.
#pragma once
#include <nlohmann/json.hpp>

#include "apiq/quantize.hpp"
#include "io/model_directory.hpp"
#include "quant/method.hpp"

namespace apiq::calib {

/// Every value that was left open becomes the one that will be used. Throws InvalidArgument for an unknown
/// recipe.
QuantizeOptions resolve_options(QuantizeOptions options, const quant::MethodTraits& traits,
                                const ModelConfig& config);

/// Of resolved options. Throws InvalidArgument: option, what was expected, what was found.
void check_options(const QuantizeOptions& options, const quant::MethodTraits& traits,
                   const ModelDirectory& model);

/// Every option that changes the result, with its effective value.
nlohmann::json options_json(const QuantizeOptions& options);

/// Whether a tensor of the model is replaced by its quantized form.
bool is_quantized(const QuantizeOptions& options, const ModelConfig& config, const TensorInfo& info);

}  // namespace apiq::calib
