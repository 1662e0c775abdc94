// apiq-quantize: a Hugging Face model directory in, a quantized checkpoint out.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "apiq/quantize.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  QuantizeOptions quantize;
  bool list_methods = false;
};

void add_input_options(Options& options, Settings& s) {
  QuantizeOptions& q = s.quantize;
  options.group("Input and output");
  options.value("model", "DIR", q.model, "Hugging Face directory: config.json, safetensors, tokenizer.model");
  options.value("output", "FILE.h5", q.output, "checkpoint to write; appears only when complete");
  options.list("calibration", "FILE", q.calibration, "text, .jsonl, or raw token ids .u16 / .u32; for methods that calibrate");
  options.value("text-field", "KEY", q.text_field, "field of a .jsonl line that holds the text");
  options.value("samples", "N", q.samples, "calibration sequences");
  options.value("sequence-length", "N", q.sequence_length, "tokens per sequence", "2048, or what the model takes if less");
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
        if (q.group_size == 0) throw UsageError("expected a divisor of every in_features or 'row', found '0'");
      },
      "input features that share a scale; 'row' = the whole row", default_text(q.group_size));
  options.flag("symmetric", q.symmetric, "a grid without a zero point of its own");
  options.value("rank", "N", q.rank, "LoRA rank; 0 = no LoRA");
  options.value("alpha", "X", q.alpha, "LoRA scaling is alpha / rank");
}

void add_training_options(Options& options, Settings& s) {
  QuantizeOptions& q = s.quantize;
  const std::string own = "the method's";
  options.group("Calibration training");
  options.value("epochs", "N", q.epochs, "passes over the samples, per layer", own);
  options.value("batch-size", "N", q.batch_size, "sequences per step");
  options.value("lora-learning-rate", "X", q.lora_learning_rate, "AdamW learning rate of lora_A and lora_B", own);
  options.value("clip-learning-rate", "X", q.clip_learning_rate, "AdamW learning rate of the clipping factors", own);
  options.value("lora-weight-decay", "X", q.lora_weight_decay, "decoupled weight decay of lora_A and lora_B", own);
  options.value("clip-weight-decay", "X", q.clip_weight_decay, "decoupled weight decay of the clipping factors", own);
}

void print_methods() {
  Table table({"method", "calibration", "summary"});
  for (const MethodInfo& method : list_methods()) table.row({method.name, method.needs_calibration ? "needed" : "no", method.summary});
  table.print();
}

/// What would otherwise fail only after the model was read.
void check_usage(const Options& options, const Settings& s) {
  for (const char* name : {"model", "output"}) {
    if (!options.given(name)) throw UsageError(std::string("--") + name + " is missing; see apiq-quantize --help");
  }
  if (s.quantize.bits < 2 || s.quantize.bits > 4) throw UsageError("--bits: expected 2, 3 or 4, found " + std::to_string(s.quantize.bits));
  if (s.quantize.samples == 0) throw UsageError("--samples: expected 1 or more, found 0");
  if (s.quantize.batch_size == 0) throw UsageError("--batch-size: expected 1 or more, found 0");
  if (options.given("epochs") && s.quantize.epochs == 0)
    throw UsageError("--epochs: expected 1 or more, found 0; for plain rounding use --method rtn");
  if (options.given("sequence-length") && s.quantize.sequence_length == 0) throw UsageError("--sequence-length: expected 2 or more, found 0");
  const auto methods = list_methods();
  const auto it = std::find_if(methods.begin(), methods.end(), [&](const MethodInfo& m) { return m.name == s.quantize.method; });
  if (it == methods.end()) throw UsageError("--method: '" + s.quantize.method + "' is not a method; see apiq-quantize --list-methods");
  if (it->needs_calibration && s.quantize.calibration.empty())
    throw UsageError("--calibration FILE is missing; " + s.quantize.method + " calibrates");
}

void print_blocks(const QuantizeResult& result) {
  // Without calibration text there is nothing to measure errors on.
  if (std::none_of(result.blocks.begin(), result.blocks.end(), [](const BlockReport& b) { return std::isfinite(b.relative_error); })) return;
  Table table({"block", "first loss", "last loss", "relative error", "seconds"});
  for (const BlockReport& block : result.blocks) {
    table.row({std::to_string(block.index), significant(block.loss_first), significant(block.loss_last), significant(block.relative_error),
               decimals(block.seconds, 1)});
  }
  table.print();
  std::printf("\n");
}

void print_result(Program& program, const QuantizeResult& result) {
  const QuantizeOptions& q = result.effective;
  print_blocks(result);
  std::vector<std::pair<std::string, std::string>> rows = {
      {"method", q.method + (q.symmetric ? ", symmetric" : "")},
      {"bits, group size", std::to_string(q.bits) + ", " + (q.group_size ? std::to_string(q.group_size) : "row")},
      {"LoRA", q.rank ? "rank " + std::to_string(q.rank) + ", alpha " + significant(q.alpha) : "none"},
      {"bits per weight", decimals(result.bits_per_weight, 3) + " + " + decimals(result.adapter_bits_per_weight, 3) + " LoRA"},
      {"output", q.output.string() + ", " + size_text(result.output_bytes)},
      {"time", duration_text(result.seconds)},
      {"peak memory", "device " + size_text(program.device().peak_bytes()) + ", host " + size_text(peak_host_bytes())},
  };
  if (result.skipped_steps) rows.push_back({"skipped steps", std::to_string(result.skipped_steps) + " (loss not finite)"});
  print_pairs(rows);
}

int run(Program& program, const Options& options, Settings& s) {
  if (s.list_methods) {
    print_methods();
    return kDone;
  }
  check_usage(options, s);
  s.quantize.seed = program.seed();
  s.quantize.command = program.command();
  const Callbacks callbacks = program.callbacks();  // first: Ctrl-C is obeyed from here on
  const QuantizeResult result = quantize(program.device(), s.quantize, callbacks);
  program.end_progress();
  if (program.prints_tables()) print_result(program, result);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), result));
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Options options("apiq-quantize", "quantize a Llama-family model to 2, 3 or 4 bits with LoRA that cancels the error",
                  "--model DIR --output FILE.h5 [options]");
  add_input_options(options, settings);
  add_method_options(options, settings);
  add_training_options(options, settings);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, options, settings); });
}
