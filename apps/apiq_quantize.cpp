// apiq-quantize: a Hugging Face model directory in, a quantized checkpoint out.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "apiq/error.hpp"
#include "apiq/option_names.hpp"
#include "apiq/plot.hpp"
#include "apiq/quantize.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  QuantizeOptions quantize;
  bool list_methods = false, dry_run = false, no_run_file = false;
};

void add_input_options(Options& options, Settings& s) {
  QuantizeOptions& q = s.quantize;
  options.group("Input and output");
  options.value("model", "DIR", q.model, "Hugging Face directory: config.json, safetensors, tokenizer.model");
  options.value("output", "FILE.h5", q.output, "checkpoint to write; appears only when complete");
  options.list("calibration", "FILE", q.calibration,
               "text, .jsonl, or raw token ids .u16 / .u32; for methods that calibrate");
  options.value("text-field", "KEY", q.text_field, "field of a .jsonl line that holds the text");
  options.value("samples", "N", q.samples, "calibration sequences", "the recipe's");
  options.value("sequence-length", "N", q.sequence_length, "tokens per sequence",
                "2048, or what the model takes if less");
}

void add_method_options(Options& options, Settings& s) {
  QuantizeOptions& q = s.quantize;
  options.group("Method");
  options.value("method", "NAME", q.method, "how codes and LoRA are found; see --list-methods");
  options.flag("list-methods", s.list_methods, "print the methods and stop");
  options.value("bits", "N", q.bits, "bits per code: 2, 3 or 4");
  options.custom(
      "group-size", "N|row",
      [&q](const std::string& text) {
        q.group_size = 0;
        if (text == "row") return;
        parse_value(text, q.group_size);
        if (q.group_size == 0)
          throw UsageError("expected a divisor of every in_features or 'row', found '0'");
      },
      "input features that share a scale; 'row' = the whole row", default_text(q.group_size));
  options.flag("symmetric", q.symmetric, "a grid without a zero point of its own");
  options.value("rank", "N", q.rank, "LoRA rank; 0 = no LoRA");
  options.value("alpha", "X", q.alpha, "LoRA scaling is alpha / rank");
}

/// An option whose value is one of a few names.
template <class T>
void add_choice(Options& options, const std::string& name, std::initializer_list<T> values,
                std::optional<T>& target, const std::string& help) {
  std::string names;
  for (const T value : values) names += (names.empty() ? "" : "|") + std::string(name_of(value));
  options.custom(
      name, names,
      [&target, names, known = std::vector<T>(values)](const std::string& text) {
        for (const T value : known)
          if (name_of(value) == text) return void(target = value);
        throw UsageError("expected " + names + ", found '" + text + "'");
      },
      help, "the recipe's");
}

void add_training_options(Options& options, Settings& s) {
  QuantizeOptions& q = s.quantize;
  const std::string own = "the recipe's";
  options.group("Calibration training");
  options.value("recipe", "NAME", q.recipe, "defaults of what is left open: paper or best");
  options.value("epochs", "N", q.epochs,
                "passes over the samples, per linear or block; 0 = only the start values", own);
  options.value("batch-size", "N", q.batch_size, "sequences per step");
  options.value("lora-learning-rate", "X", q.lora_learning_rate, "AdamW learning rate of lora_A and lora_B",
                own);
  options.value("clip-learning-rate", "X", q.clip_learning_rate,
                "AdamW learning rate of the clipping factors", own);
  options.value("lora-weight-decay", "X", q.lora_weight_decay, "decoupled weight decay of lora_A and lora_B",
                own);
  options.value("clip-weight-decay", "X", q.clip_weight_decay,
                "decoupled weight decay of the clipping factors", own);
  options.value("train-weights", "RATE", q.weight_learning_rate,
                "learning rate of latent weights, thrown away at the end; 0 = none", own);
  add_choice(options, "range-init", {RangeInit::minmax, RangeInit::mse}, q.range_init,
             "where clipping starts");
  add_choice(options, "lora-init", {LoraInit::kaiming, LoraInit::svd, LoraInit::svd_saliency, LoraInit::cloq},
             q.lora_init, "where LoRA starts");
  add_choice(options, "schedule", {Schedule::constant, Schedule::cosine}, q.schedule,
             "of all learning rates");
  options.flag("aug-loss", q.aug_loss, "apiq-bw: also match the block's own output on the quantized stream");
  options.flag("gram", q.gram, "apiq-lw: full-batch steps on second moments of the inputs");
  options.value("early-stop", "SHARE", q.early_stop,
                "end a block when an epoch lowers its loss by less than this share; 0 = never");
}

void add_module_options(Options& options, Settings& s) {
  QuantizeOptions& q = s.quantize;
  options.group("Settings of single linears");
  options.custom(
      "modules", "LIST",
      [&q](const std::string& text) {
        std::stringstream parts(text);
        for (std::string part; std::getline(parts, part, ',');) q.modules.push_back(part);
      },
      "linears to quantize, as names or patterns with commas between: q_proj,v_proj or mlp.*", "all");
  options.custom(
      "override", "PATTERN=KEY:N,...",
      [&q](const std::string& text) { q.overrides.push_back(parse_override(text)); },
      "other bits, group-size or rank for some linears; the last that matches wins");
  options.repeatable();
}

void add_run_options(Options& options, Settings& s) {
  QuantizeOptions& q = s.quantize;
  options.group("The run");
  options.value("work-dir", "DIR", q.work_dir, "state of an unfinished run; the same command goes on from it",
                "FILE.h5.work");
  options.flag("restart", q.restart, "ignore that state and start over");
  options.flag("dry-run", s.dry_run,
               "time, memory and disk the run would need, from a short probe of the device");
  options.flag("no-run-file", s.no_run_file,
               "do not leave OUTPUT.run.json, the times and memory of this run, beside the checkpoint");
  options.value("trace", "FILE", q.trace, "timeline of computation, transfers and files as a Chrome trace");
}

void print_methods() {
  Table table({"method", "calibration", "summary"});
  for (const MethodInfo& method : list_methods())
    table.row({method.name, method.needs_calibration ? "needed" : "no", method.summary});
  table.print();
}

/// What would otherwise fail only after the model was read.
void check_usage(const Options& options, const Settings& s) {
  for (const char* name : {"model", "output"}) {
    if (!options.given(name))
      throw UsageError(std::string("--") + name + " is missing; see apiq-quantize --help");
  }
  if (s.quantize.bits < 2 || s.quantize.bits > 4)
    throw UsageError("--bits: expected 2, 3 or 4, found " + std::to_string(s.quantize.bits));
  if (s.quantize.samples == 0u) throw UsageError("--samples: expected 1 or more, found 0");
  if (s.quantize.batch_size == 0) throw UsageError("--batch-size: expected 1 or more, found 0");
  if (options.given("sequence-length") && s.quantize.sequence_length == 0)
    throw UsageError("--sequence-length: expected 2 or more, found 0");
  const auto methods = list_methods();
  const auto it = std::find_if(methods.begin(), methods.end(),
                               [&](const MethodInfo& m) { return m.name == s.quantize.method; });
  if (it == methods.end())
    throw UsageError("--method: '" + s.quantize.method +
                     "' is not a method; see apiq-quantize --list-methods");
  if (it->needs_calibration && s.quantize.calibration.empty())
    throw UsageError("--calibration FILE is missing; " + s.quantize.method + " calibrates");
}

void print_blocks(const QuantizeResult& result) {
  // Without calibration text there is nothing to measure errors on.
  if (std::none_of(result.blocks.begin(), result.blocks.end(),
                   [](const BlockReport& b) { return std::isfinite(b.relative_error); }))
    return;
  Table table({"block", "first loss", "last loss", "relative error", "seconds"});
  for (const BlockReport& block : result.blocks) {
    table.row({std::to_string(block.index), significant(block.loss_first), significant(block.loss_last),
               significant(block.relative_error), decimals(block.seconds, 1)});
  }
  table.print();
  std::printf("\n");
}

void print_result(Program& program, const QuantizeResult& result) {
  const QuantizeOptions& q = result.effective;
  print_blocks(result);
  std::vector<std::pair<std::string, std::string>> rows = {
      {"method", q.method + (q.symmetric ? ", symmetric" : "")},
      {"bits, group size",
       std::to_string(q.bits) + ", " + (q.group_size ? std::to_string(q.group_size) : "row")},
      {"LoRA", q.rank ? "rank " + std::to_string(q.rank) + ", alpha " + significant(q.alpha) : "none"},
      {"bits per weight",
       decimals(result.bits_per_weight, 3) + " + " + decimals(result.adapter_bits_per_weight, 3) + " LoRA"},
      {"output", q.output.string() + ", " + size_text(result.output_bytes)},
      {"time", duration_text(result.seconds)},
      {"peak memory",
       "device " + size_text(program.device().peak_bytes()) + ", host " + size_text(peak_host_bytes())},
  };
  if (result.skipped_steps)
    rows.push_back(
        {"skipped steps", std::to_string(result.skipped_steps) + " (loss or gradient not finite)"});
  print_pairs(rows);
}

void print_dry_run(const DryRunResult& result) {
  Table table({"stage", "seconds", "peak device memory"});
  for (const DryRunStage& stage : result.stages)
    table.row(
        {stage.name, decimals(stage.seconds, 1), stage.device_bytes ? size_text(stage.device_bytes) : ""});
  table.print();
  std::printf("\n");
  print_pairs(
      {{"time", duration_text(result.seconds)},
       {"peak memory", "device " + size_text(result.device_bytes) + ", host " + size_text(result.host_bytes)},
       {"activations", result.activations},
       {"next block", result.prefetch ? "loaded while one is solved" : "loaded when one is done"},
       {"disk", size_text(result.work_bytes) + " while it runs, output " + size_text(result.output_bytes) +
                    ", free " + size_text(result.free_disk_bytes)}});
}

/// Times and memory, for apiq-inspect --plot: not in the checkpoint, where equal runs give equal bytes. The
/// checkpoint is complete by now, so a side file that cannot be written is no failure.
void write_run_file(Program& program, const std::filesystem::path& output, const std::string& result) {
  try {
    write_run_record(output, result);
  } catch (const IoError& error) {
    std::fprintf(stderr, "%s: warning: %s; the checkpoint is complete\n", program.name().c_str(),
                 error.what());
  }
}

int run(Program& program, const Options& options, Settings& s) {
  if (s.list_methods) {
    print_methods();
    return kDone;
  }
  check_usage(options, s);
  s.quantize.seed = program.seed();
  s.quantize.command = program.command();
  s.quantize.host_memory_bytes = program.host_memory();
  if (!s.quantize.trace.empty()) program.profile();
  const Callbacks callbacks = program.callbacks();  // first: Ctrl-C is obeyed from here on
  if (s.dry_run) {
    const DryRunResult result = dry_run(program.device(), s.quantize, callbacks);
    program.end_progress();
    if (program.prints_tables()) print_dry_run(result);
    if (program.wants_json()) program.write_json(to_json(program.run_info(), result));
    return kDone;
  }
  const QuantizeResult result = quantize(program.device(), s.quantize, callbacks);
  program.end_progress();
  if (program.prints_tables()) print_result(program, result);
  const std::string json = to_json(program.run_info(), result);
  if (!s.no_run_file) write_run_file(program, result.effective.output, json);
  if (program.wants_json()) program.write_json(json);
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Options options("apiq-quantize",
                  "quantize a Llama-family model to 2, 3 or 4 bits with LoRA that cancels the error",
                  "--model DIR --output FILE.h5 [options]");
  add_input_options(options, settings);
  add_method_options(options, settings);
  add_training_options(options, settings);
  add_module_options(options, settings);
  add_run_options(options, settings);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, options, settings); });
}
