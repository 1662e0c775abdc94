#include "calib/options.hpp"

#include <algorithm>
#include <cmath>

#include "apiq/error.hpp"
#include "apiq/option_names.hpp"
#include "calib/linear_settings.hpp"
#include "calib/recipe.hpp"
#include "family/tensor_names.hpp"

namespace apiq::calib {

using nlohmann::json;

namespace {

constexpr std::uint32_t kDefaultSequenceLength = 2048;

void check_number(float value, const char* option, bool zero_allowed) {
  if (!std::isfinite(value) || value < 0 || (value == 0 && !zero_allowed))
    throw InvalidArgument("[" + std::string(option) + "] expected a " +
                          (zero_allowed ? "non-negative" : "positive") + " number, found " +
                          std::to_string(value));
}

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
  if (*options.samples == 0) throw InvalidArgument("[--samples] expected at least 1, found 0");
  if (options.batch_size == 0 || options.batch_size > *options.samples)
    throw InvalidArgument("[--batch-size] expected 1 to " + std::to_string(*options.samples) +
                          " (--samples), found " + std::to_string(options.batch_size));
  if (*options.samples % options.batch_size != 0)
    throw InvalidArgument("[--batch-size] " + std::to_string(options.batch_size) +
                          " does not divide --samples " + std::to_string(*options.samples) +
                          "; the last samples would never be used");
  if (options.sequence_length < 2 || options.sequence_length > config.max_position_embeddings)
    throw InvalidArgument(
        "[--sequence-length] expected 2 to " + std::to_string(config.max_position_embeddings) +
        " (the model's max_position_embeddings), found " + std::to_string(options.sequence_length));
}

void check_training(const QuantizeOptions& options, const quant::MethodTraits& traits) {
  check_number(*options.lora_learning_rate, "--lora-learning-rate", true);
  check_number(*options.clip_learning_rate, "--clip-learning-rate", true);
  check_number(*options.lora_weight_decay, "--lora-weight-decay", true);
  check_number(*options.clip_weight_decay, "--clip-weight-decay", true);
  check_number(*options.weight_learning_rate, "--train-weights", true);
  check_number(options.early_stop, "--early-stop", true);
  if (options.gram && traits.scope != quant::Scope::linear)
    throw InvalidArgument("[--gram] method " + options.method +
                          " trains whole blocks, which have no Gram form; use --method apiq-lw");
  if (options.aug_loss && traits.scope != quant::Scope::block)
    throw InvalidArgument("[--aug-loss] method " + options.method +
                          " trains single linears; use --method apiq-bw");
}

/// What a method without training does not look at must not make two equal runs different.
void clear_training(QuantizeOptions& options) {
  options.epochs = 0;
  options.lora_learning_rate = options.clip_learning_rate = options.lora_weight_decay =
      options.clip_weight_decay = 0.0f;
  options.weight_learning_rate = 0.0f;
  options.range_init = RangeInit::minmax;
  options.lora_init = LoraInit::kaiming;
  options.schedule = Schedule::constant;
}

}  // namespace

QuantizeOptions resolve_options(QuantizeOptions options, const quant::MethodTraits& traits,
                                const ModelConfig& config) {
  const Recipe recipe = find_recipe(options.recipe, traits);
  if (options.sequence_length == 0)
    options.sequence_length = std::min(kDefaultSequenceLength, config.max_position_embeddings);
  options.samples = options.samples.value_or(recipe.samples);
  if (options.work_dir.empty()) options.work_dir = options.output.string() + ".work";
  if (!traits.uses_lora) {
    options.rank = 0;
    for (ModuleOverride& setting : options.overrides) setting.rank.reset();
  }
  if (!traits.needs_inputs && options.calibration.empty())
    options.samples = options.sequence_length = 0;  // nothing is sampled
  if (!traits.needs_inputs) {
    clear_training(options);
    return options;
  }
  options.epochs = options.epochs.value_or(recipe.train.epochs);
  options.lora_learning_rate = options.lora_learning_rate.value_or(recipe.train.lora_learning_rate);
  options.clip_learning_rate = options.clip_learning_rate.value_or(recipe.train.clip_learning_rate);
  options.lora_weight_decay = options.lora_weight_decay.value_or(recipe.train.lora_weight_decay);
  options.clip_weight_decay = options.clip_weight_decay.value_or(recipe.train.clip_weight_decay);
  options.weight_learning_rate = options.weight_learning_rate.value_or(
      *options.epochs > 1 ? recipe.repeated_weight_learning_rate : recipe.train.weight_learning_rate);
  options.schedule = options.schedule.value_or(recipe.train.schedule);
  options.range_init = options.range_init.value_or(recipe.train.range_init);
  options.lora_init = options.lora_init.value_or(recipe.train.lora_init);
  return options;
}

void check_options(const QuantizeOptions& options, const quant::MethodTraits& traits,
                   const ModelDirectory& model) {
  if (options.bits < 2 || options.bits > 4)
    throw InvalidArgument("[--bits] expected 2, 3 or 4, found " + std::to_string(options.bits));
  check_linears(options, model);
  check_number(options.alpha, "--alpha", false);
  if (!traits.needs_inputs && options.calibration.empty()) return;
  if (options.calibration.empty())
    throw InvalidArgument("[--calibration] method " + options.method +
                          " learns from text; name at least one file");
  check_samples(options, model.config());
  if (traits.needs_inputs) check_training(options, traits);
}

quant::TrainOptions train_options(const QuantizeOptions& o, const quant::MethodTraits& traits) {
  if (!traits.needs_inputs) return {};
  return {.epochs = *o.epochs,
          .batch_size = o.batch_size,
          .lora_learning_rate = *o.lora_learning_rate,
          .clip_learning_rate = *o.clip_learning_rate,
          .lora_weight_decay = *o.lora_weight_decay,
          .clip_weight_decay = *o.clip_weight_decay,
          .weight_learning_rate = *o.weight_learning_rate,
          .schedule = *o.schedule,
          .range_init = *o.range_init,
          .lora_init = *o.lora_init,
          .gram = o.gram,
          .early_stop = o.early_stop};
}

bool is_quantized(const QuantizeOptions& options, const ModelConfig& config, const TensorInfo& info) {
  constexpr std::string_view kWeight = ".weight";
  if (!is_linear_weight(config, info.name)) return false;
  return settings_of(options, info.name.substr(0, info.name.size() - kWeight.size()),
                     static_cast<std::uint32_t>(info.shape[1]))
      .quantize;
}

json options_json(const QuantizeOptions& o, const quant::MethodTraits& traits) {
  json out = {{"method", o.method},
              {"bits", o.bits},
              {"group_size", o.group_size},
              {"symmetric", o.symmetric},
              {"rank", o.rank},
              {"alpha", o.alpha},
              {"seed", o.seed}};
  if (!o.modules.empty()) out["modules"] = o.modules;
  for (const ModuleOverride& v : o.overrides) out["overrides"].push_back(override_text(v));
  if (!o.calibration.empty())
    out.update(
        {{"samples", *o.samples}, {"sequence_length", o.sequence_length}, {"text_field", o.text_field}});
  if (!traits.needs_inputs) return out;
  out.update({{"recipe", o.recipe},
              {"epochs", *o.epochs},
              {"batch_size", o.batch_size},
              {"lora_learning_rate", *o.lora_learning_rate},
              {"clip_learning_rate", *o.clip_learning_rate},
              {"lora_weight_decay", *o.lora_weight_decay},
              {"clip_weight_decay", *o.clip_weight_decay},
              {"train_weights", *o.weight_learning_rate},
              {"schedule", name_of(*o.schedule)},
              {"range_init", name_of(*o.range_init)},
              {"lora_init", name_of(*o.lora_init)},
              {"aug_loss", o.aug_loss},
              {"gram", o.gram},
              {"early_stop", o.early_stop}});
  return out;
}

}  // namespace apiq::calib
