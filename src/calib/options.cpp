#include "calib/options.hpp"

#include <algorithm>
#include <cmath>

#include "apiq/error.hpp"
#include "calib/linear_settings.hpp"
#include "calib/recipe.hpp"
#include "family/tensor_names.hpp"
#include "report/fields_json.hpp"

namespace apiq::calib {

using nlohmann::json;

namespace {

constexpr std::uint32_t kDefaultSequenceLength = 2048;

void check_linears(const QuantizeOptions& options, const ModelDirectory& model) {
  const std::vector<std::string> names = linear_names(model.config());
  check_patterns(options, names);
  for (const std::string& name : names) {
    const Shape& shape = model.tensors().find(name + ".weight")->shape;
    const auto out = static_cast<std::uint32_t>(shape[0]), in = static_cast<std::uint32_t>(shape[1]);
    const LinearSettings settings = settings_of(options, name, in);
    if (!settings.quantize) continue;
    check_layout({out, in, settings.bits, settings.group_size}, name.c_str());
    if (settings.rank > std::min(out, in))
      throw InvalidArgument("[--rank] " + std::to_string(settings.rank) + " is above the smaller side of " +
                            name + " " + shape.text() + "; use at most " + std::to_string(std::min(out, in)));
  }
}

void check_samples(const QuantizeOptions& options, const ModelConfig& config) {
  check_fields<CalibrationOptions>(options);
  if (options.sequence_length > config.max_position_embeddings)
    throw InvalidArgument(
        "[--sequence-length] expected 2 to " + std::to_string(config.max_position_embeddings) +
        " (the model's max_position_embeddings), found " + std::to_string(options.sequence_length));
}

void check_batches(const TrainOptions& train, std::uint32_t samples) {
  if (train.batch_size > samples)
    throw InvalidArgument("[--batch-size] expected 1 to " + std::to_string(samples) + " (--samples), found " +
                          std::to_string(train.batch_size));
  if (samples % train.batch_size != 0)
    throw InvalidArgument("[--batch-size] " + std::to_string(train.batch_size) +
                          " does not divide --samples " + std::to_string(samples) +
                          "; the last samples would never be used");
}

/// The recipe with what depends on the number of epochs decided.
TrainOptions train_values(const Recipe& recipe, const TrainOptions& asked) {
  TrainOptions out = recipe.train;
  const std::uint32_t epochs = asked.epochs.is_open() ? recipe.train.epochs : asked.epochs;
  if (epochs > 1) out.weight_learning_rate = recipe.repeated_weight_learning_rate;
  return out;
}

}  // namespace

QuantizeOptions resolve_options(QuantizeOptions options, const quant::MethodTraits& traits,
                                const ModelConfig& config) {
  TrainOptions* train = part_of<TrainOptions>(options.method);
  const Recipe recipe = find_recipe(train_of(options.method).recipe, traits);
  if (train != nullptr) fill_open(*train, train_values(recipe, *train));
  if (options.work_dir.empty()) options.work_dir = options.output.string() + ".work";
  if (part_of<LoraOptions>(options.method) == nullptr)
    for (ModuleOverride& setting : options.overrides) setting.rank.reset();
  if (!traits.needs_inputs && options.calibration.empty()) {
    options.samples = options.sequence_length = 0u;  // nothing is sampled
    return options;
  }
  if (options.samples.is_open()) options.samples = recipe.samples;
  if (options.sequence_length.is_open())
    options.sequence_length = std::min(kDefaultSequenceLength, config.max_position_embeddings);
  return options;
}

void check_options(const QuantizeOptions& options, const quant::MethodTraits& traits,
                   const ModelDirectory& model) {
  check_fields(options);
  std::visit([](const auto& method) { check_fields(method); }, options.method);
  check_linears(options, model);
  if (!traits.needs_inputs && options.calibration.empty()) return;
  if (options.calibration.empty())
    throw InvalidArgument("[--calibration] method " + std::string(name_of(options.method)) +
                          " learns from text; name at least one file");
  check_samples(options, model.config());
  if (const auto* train = part_of<TrainOptions>(options.method)) check_batches(*train, options.samples);
}

bool is_quantized(const QuantizeOptions& options, const ModelConfig& config, const TensorInfo& info) {
  constexpr std::string_view kWeight = ".weight";
  if (!is_linear_weight(config, info.name)) return false;
  return settings_of(options, info.name.substr(0, info.name.size() - kWeight.size()),
                     static_cast<std::uint32_t>(info.shape[1]))
      .quantize;
}

json options_json(const QuantizeOptions& options) {
  json out = {{"method", name_of(options.method)}};
  add_fields(out, options, Recorded::in_identity);
  for (const char* key : {"modules", "overrides"})
    if (out.at(key).empty()) out.erase(key);
  if (!options.calibration.empty()) add_fields<CalibrationOptions>(out, options, Recorded::in_identity);
  add_method_fields(out, options.method);
  return out;
}

}  // namespace apiq::calib
