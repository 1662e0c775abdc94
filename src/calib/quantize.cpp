// apiq::quantize: options checked against the model, calibration windows drawn, the schedule run, the checkpoint written.
#include "apiq/quantize.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "apiq/error.hpp"
#include "apiq/result.hpp"
#include "apiq/version.hpp"
#include "calib/scheduler.hpp"
#include "calib/stop.hpp"
#include "io/checkpoint.hpp"
#include "tokenizer/token_file.hpp"
#include "util/sha256.hpp"

namespace apiq {

namespace {

using nlohmann::json;

constexpr std::uint32_t kDefaultSequenceLength = 2048;

/// Zeros and unset values become the values that will be used.
QuantizeOptions resolve(QuantizeOptions options, const quant::MethodTraits& traits, const ModelConfig& config) {
  if (options.sequence_length == 0) options.sequence_length = std::min(kDefaultSequenceLength, config.max_position_embeddings);
  if (!traits.uses_lora) options.rank = 0;
  if (!traits.needs_inputs && options.calibration.empty()) options.samples = options.sequence_length = 0;  // nothing is sampled
  if (!traits.needs_inputs) {
    options.epochs = 0;
    return options;
  }
  if (options.epochs == 0) options.epochs = traits.defaults.epochs;
  options.lora_learning_rate = options.lora_learning_rate.value_or(traits.defaults.lora_learning_rate);
  options.clip_learning_rate = options.clip_learning_rate.value_or(traits.defaults.clip_learning_rate);
  options.lora_weight_decay = options.lora_weight_decay.value_or(traits.defaults.lora_weight_decay);
  options.clip_weight_decay = options.clip_weight_decay.value_or(traits.defaults.clip_weight_decay);
  return options;
}

void check_positive(float value, const char* option, bool zero_allowed) {
  if (!std::isfinite(value) || value < 0 || (value == 0 && !zero_allowed))
    throw InvalidArgument("[" + std::string(option) + "] expected a " + (zero_allowed ? "non-negative" : "positive") + " number, found " +
                          std::to_string(value));
}

void check_options(const QuantizeOptions& options, const quant::MethodTraits& traits, const ModelConfig& config, const TensorSource& tensors) {
  if (options.bits < 2 || options.bits > 4) throw InvalidArgument("[--bits] expected 2, 3 or 4, found " + std::to_string(options.bits));
  for (const char* linear : kBlockLinears) {
    const std::string name = linear_tensor_name(0, linear);
    const Shape& shape = tensors.find(name)->shape;
    const auto out = static_cast<std::uint32_t>(shape[0]), in = static_cast<std::uint32_t>(shape[1]);
    check_layout({out, in, options.bits, options.group_size != 0 ? options.group_size : in}, name.c_str());
    if (options.rank > std::min(out, in))
      throw InvalidArgument("[--rank] " + std::to_string(options.rank) + " is above the smaller side of " + name + " " + shape.text() +
                            "; use at most " + std::to_string(std::min(out, in)));
  }
  check_positive(options.alpha, "--alpha", false);
  if (!traits.needs_inputs && options.calibration.empty()) return;
  if (options.calibration.empty()) throw InvalidArgument("[--calibration] method " + options.method + " learns from text; name at least one file");
  if (options.samples == 0) throw InvalidArgument("[--samples] expected at least 1, found 0");
  if (options.batch_size == 0 || options.batch_size > options.samples)
    throw InvalidArgument("[--batch-size] expected 1 to " + std::to_string(options.samples) + " (--samples), found " +
                          std::to_string(options.batch_size));
  if (options.samples % options.batch_size != 0)
    throw InvalidArgument("[--batch-size] " + std::to_string(options.batch_size) + " does not divide --samples " + std::to_string(options.samples) +
                          "; the last samples would never be used");
  if (options.sequence_length < 2 || options.sequence_length > config.max_position_embeddings)
    throw InvalidArgument("[--sequence-length] expected 2 to " + std::to_string(config.max_position_embeddings) +
                          " (the model's max_position_embeddings), found " + std::to_string(options.sequence_length));
  if (!traits.needs_inputs) return;
  check_positive(*options.lora_learning_rate, "--lora-learning-rate", true);
  check_positive(*options.clip_learning_rate, "--clip-learning-rate", true);
  check_positive(*options.lora_weight_decay, "--lora-weight-decay", true);
  check_positive(*options.clip_weight_decay, "--clip-weight-decay", true);
}

calib::CalibrationSet load_calibration(const QuantizeOptions& options, const ModelDirectory& model) {
  if (options.calibration.empty()) return {};
  std::optional<Tokenizer> tokenizer;  // token ids need none
  std::vector<std::int32_t> tokens;
  for (const auto& path : options.calibration) {
    if (!tokenizer && !holds_token_ids(path))
      tokenizer = Tokenizer::from_files(model.side_files(), model.config().vocab_size, model.folder().string());
    const auto part = load_tokens(path, tokenizer ? &*tokenizer : nullptr, model.config().vocab_size, options.text_field);
    tokens.insert(tokens.end(), part.begin(), part.end());
  }
  return calib::sample_windows(tokens, options.samples, options.sequence_length, options.seed);
}

json options_to_json(const QuantizeOptions& o) {
  json out = {{"method", o.method}, {"bits", o.bits}, {"group_size", o.group_size}, {"symmetric", o.symmetric}, {"rank", o.rank},
              {"alpha", o.alpha},   {"seed", o.seed}};
  if (!o.calibration.empty()) out.update({{"samples", o.samples}, {"sequence_length", o.sequence_length}, {"text_field", o.text_field}});
  if (o.epochs != 0)
    out.update({{"epochs", o.epochs},
                {"batch_size", o.batch_size},
                {"lora_learning_rate", *o.lora_learning_rate},
                {"clip_learning_rate", *o.clip_learning_rate},
                {"lora_weight_decay", *o.lora_weight_decay},
                {"clip_weight_decay", *o.clip_weight_decay}});
  return out;
}

/// JSON text with sorted keys; bytes of a path that are not UTF-8 are replaced, not refused.
std::string canonical(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

CheckpointMeta make_meta(const QuantizeOptions& options, const ModelDirectory& model, const DeviceInfo& device) {
  json inputs = json::object(), environment = json::object();
  for (const auto& [name, hash] : model.hashes()) inputs["model/" + name] = hash;
  for (std::size_t i = 0; i < options.calibration.size(); ++i)
    inputs["calibration/" + std::to_string(i) + "/" + options.calibration[i].filename().string()] = sha256_of_file(options.calibration[i]);
  // What else can change the result: see docs/cli.md.
  for (const char* name : {"APIQ_BUILD_OPTIONS", "APIQ_GEMM", "APIQ_PRESET", "APIQ_TUNING_DIR"})
    if (const char* value = std::getenv(name)) environment[name] = value;
  const json device_json = {{"name", device.name},
                            {"vendor", device.vendor},
                            {"driver", device.driver},
                            {"platform", device.platform},
                            {"platform_version", device.platform_version},
                            {"device_version", device.device_version}};
  const json provenance = {{"program", "apiq-quantize"}, {"version", version()},  {"commit", commit()},   {"libraries", library_versions()},
                           {"command", options.command}, {"device", device_json}, {"seed", options.seed}, {"inputs", inputs},
                           {"environment", environment}};
  return {options.method, canonical(options_to_json(options)), canonical(provenance), model.side_files()};
}

json number_or_null(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

/// Kept in the checkpoint: what the run measured, without times, so that equal runs give equal bytes.
std::string report_to_json(const calib::ScheduleResult& schedule) {
  json blocks = json::array();
  for (const auto& b : schedule.blocks)
    blocks.push_back({{"index", b.index},
                      {"loss_first", number_or_null(b.loss_first)},
                      {"loss_last", number_or_null(b.loss_last)},
                      {"relative_error", number_or_null(b.relative_error)}});
  return json{{"blocks", blocks}, {"skipped_steps", schedule.skipped_steps}}.dump();
}

/// Everything the method does not quantize, as it is stored in the model.
void copy_other_tensors(const ModelDirectory& model, CheckpointWriter& writer) {
  for (const TensorInfo& info : expected_tensors(model.config())) {
    const bool is_linear = std::any_of(std::begin(kBlockLinears), std::end(kBlockLinears),
                                       [&](const char* linear) { return info.name.ends_with(std::string(".") + linear + ".weight"); });
    if (!is_linear) writer.add_tensor(*model.tensors().find(info.name), model.tensors());
  }
}

}  // namespace

QuantizeResult quantize(Device& device, const QuantizeOptions& asked, const Callbacks& callbacks) {
  const auto begin = std::chrono::steady_clock::now();
  const auto method = quant::find_method(asked.method).make();
  const quant::MethodTraits traits = method->traits();
  const ModelDirectory model = ModelDirectory::open(asked.model);
  const QuantizeOptions options = resolve(asked, traits, model.config());
  check_options(options, traits, model.config(), model.tensors());
  for (const TensorInfo& info : model.tensors().tensors()) {
    throw_if_stopped(callbacks);
    check_finite(model.tensors(), info);
  }
  const calib::CalibrationSet set = load_calibration(options, model);
  CheckpointWriter writer(options.output, make_meta(options, model, device.info()));
  throw_if_stopped(callbacks);
  copy_other_tensors(model, writer);

  QuantizeResult result;
  result.effective = options;
  std::uint64_t weights = 0, packed_bytes = 0, adapter_bytes = 0;
  const auto sink = [&](const std::string& name, const QuantizedLinear& linear) {
    const PackedLayout& layout = linear.weight.layout;
    weights += std::uint64_t{layout.out_features} * layout.in_features;
    packed_bytes += layout.bytes();
    adapter_bytes += linear.adapter_bytes();
    writer.add_linear(name, linear);
  };
  quant::TrainOptions train;
  if (traits.needs_inputs)
    train = {options.epochs,
             options.batch_size,
             *options.lora_learning_rate,
             *options.clip_learning_rate,
             *options.lora_weight_decay,
             *options.clip_weight_decay};
  const calib::ScheduleResult schedule = calib::run_schedule(device.impl().queue(), model, *method, options, train, set, sink, callbacks);
  writer.add_report(report_to_json(schedule));
  writer.finish();

  result.blocks = schedule.blocks;
  result.skipped_steps = schedule.skipped_steps;
  result.bits_per_weight = 8.0 * static_cast<double>(packed_bytes) / static_cast<double>(weights);
  result.adapter_bits_per_weight = 8.0 * static_cast<double>(adapter_bytes) / static_cast<double>(weights);
  result.output_bytes = std::filesystem::file_size(options.output);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

std::vector<MethodInfo> list_methods() {
  std::vector<MethodInfo> out;
  for (const auto& row : quant::method_table()) out.push_back({std::string(row.name), std::string(row.summary), row.make()->traits().needs_inputs});
  return out;
}

}  // namespace apiq
