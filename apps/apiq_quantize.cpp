// apiq-quantize: a Hugging Face model directory in, a quantized checkpoint out.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <tuple>
#include <variant>

#include "apiq/error.hpp"
#include "apiq/plot.hpp"
#include "apiq/quantize.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

template <class Variant>
struct OneOfEach;
template <class... T>
struct OneOfEach<std::variant<T...>> {
  using Type = std::tuple<T...>;
};

struct Settings {
  QuantizeOptions quantize;
  OneOfEach<MethodOptions>::Type methods;
  std::string method = std::string(name_of(MethodOptions()));
  bool list_methods = false, dry_run = false, no_run_file = false;

  template <class Visit>
  static void fields(Visit&& visit) {
    using S = Settings;
    visit(&S::method, Field{.name = "method",
                            .placeholder = "NAME",
                            .help = "how codes and LoRA are found; see --list-methods",
                            .group = "Method"});
    visit(&S::list_methods, Field{.name = "list-methods",
                                  .help = "print the methods and stop",
                                  .group = "Method",
                                  .instead = true});
    visit(&S::dry_run,
          Field{.name = "dry-run",
                .help = "time, memory and disk the run would need, from a short probe of the device",
                .group = "The run"});
    visit(
        &S::no_run_file,
        Field{.name = "no-run-file",
              .help = "do not leave OUTPUT.run.json, the times and memory of this run, beside the checkpoint",
              .group = "The run"});
  }
};

/// Every method's options are there to be set; the chosen method then takes its own.
void add_options(Options& options, Settings& s) {
  options.fields(s.quantize).fields<CalibrationOptions>(s.quantize).fields(s);
  std::vector<std::string> methods, recipes;
  for (const MethodInfo& method : list_methods()) methods.push_back(method.name);
  for (const RecipeInfo& recipe : list_recipes()) recipes.push_back(recipe.name);
  std::apply([&](auto&... method) { (options.fields(method, method.kName), ...); }, s.methods);
  options.choices("method", methods).choices("recipe", recipes);
}

MethodOptions chosen_method(const Settings& s) {
  std::optional<MethodOptions> out;
  std::apply([&](const auto&... method) { ((method.kName == s.method ? void(out = method) : void()), ...); },
             s.methods);
  if (!out)
    throw UsageError("--method: '" + s.method + "' is not a method; see apiq-quantize --list-methods");
  return *out;
}

void print_methods() {
  Table table({"method", "calibration", "summary"});
  for (const MethodInfo& method : list_methods())
    table.row({method.name, method.needs_calibration ? "needed" : "no", method.summary});
  table.print();
}

/// What would otherwise fail only after the model was read.
void check_usage(const Settings& s) {
  for (const MethodInfo& method : list_methods())
    if (method.name == s.method && method.needs_calibration && s.quantize.calibration.empty())
      throw UsageError("--calibration FILE is missing; " + s.method + " calibrates");
}

/// Options that are given and change nothing: a switch asks for something that will not be, which is refused;
/// a value is ignored, and that is said.
void say_unused(Program& program, const Options& options, const Settings& s) {
  std::vector<std::string> names;
  for (const Option* option : options.unused_by(s.method)) {
    if (option->is_switch)
      throw UsageError("--" + option->name + ": method " + s.method + " has no such thing; use --method " +
                       alternatives(option->methods));
    names.push_back("--" + option->name + " " + option->last_value);
  }
  const bool has_lora = part_of<LoraOptions>(s.quantize.method) != nullptr;
  for (const ModuleOverride& setting : s.quantize.overrides)
    if (setting.rank && !has_lora) names.push_back("the rank of --override " + override_text(setting));
  // Rank 0 is what a method without LoRA does.
  std::erase(names, "--rank 0");
  if (!names.empty())
    program.warn(alternatives(names, " and ") + " not used: method " + s.method + " has no such thing");
  if (!s.quantize.calibration.empty()) return;
  for (const char* name : {"samples", "sequence-length", "text-field"})
    if (options.given(name)) program.warn("--" + std::string(name) + " not used: there is no --calibration");
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
  const LoraOptions lora = lora_of(q.method);
  print_blocks(result);
  std::vector<std::pair<std::string, std::string>> rows = {
      {"method", std::string(name_of(q.method)) + (q.symmetric ? ", symmetric" : "")},
      {"bits, group size",
       std::to_string(q.bits) + ", " + (q.group_size ? std::to_string(q.group_size) : "row")},
      {"LoRA",
       lora.rank ? "rank " + std::to_string(lora.rank) + ", alpha " + significant(lora.alpha) : "none"},
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
  s.quantize.method = chosen_method(s);
  check_usage(s);
  say_unused(program, options, s);
  s.quantize.command = program.command();
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
                  "quantize a Llama-family model to few bits with LoRA that cancels the error",
                  "--model DIR --output FILE.h5 [options]");
  add_options(options, settings);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, options, settings); });
}
