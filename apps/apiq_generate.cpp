// apiq-generate: continue a prompt. Text streams to standard output, speeds go to standard error.
#include <cstdio>
#include <fstream>
#include <iterator>

#include "apiq/error.hpp"
#include "apiq/generate.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  std::filesystem::path model, prompt_file;
  bool no_lora = false, ignore_eos = false;
  GenerateOptions generate;
};

void add_options(Options& options, Settings& s) {
  GenerateOptions& g = s.generate;
  options.group("Model");
  options.value("model", "MODEL", s.model, "Hugging Face directory or checkpoint .h5").required();
  options.flag("no-lora", s.no_lora, "leave the checkpoint's LoRA out");
  options.group("Text");
  options.value("prompt", "TEXT", g.prompt, "text to continue; '' starts from the begin-of-text token alone");
  options.value("prompt-file", "FILE", s.prompt_file, "read the prompt from a file instead");
  options.value("max-tokens", "N", g.max_tokens, "tokens to generate at most");
  options.flag("ignore-eos", s.ignore_eos, "go on after an end-of-text token");
  options.group("Sampling");
  options.value("temperature", "X", g.temperature, "0 = greedy");
  options.value("top-k", "N", g.top_k, "sample among the N most likely tokens; 0 = all");
  options.value("top-p", "X", g.top_p,
                "sample among the most likely tokens that hold this share of the probability");
}

std::string read_prompt(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) throw IoError(path.string() + ": the prompt file cannot be read");
  return text;
}

void log_speeds(Program& program, const GenerateResult& result) {
  program.log("prefill " + significant(result.prefill_tokens_per_second) + " tokens/s (" +
              std::to_string(result.prompt_tokens) + " tokens), decode " +
              significant(result.decode_tokens_per_second) + " tokens/s (" + std::to_string(result.tokens) +
              " tokens), weights " + size_text(static_cast<std::uint64_t>(result.weight_bytes_per_second)) +
              "/s");
}

int run(Program& program, const Options& options, Settings& s) {
  if (options.given("prompt") == options.given("prompt-file"))
    throw UsageError("give either --prompt TEXT or --prompt-file FILE");
  if (options.given("prompt-file")) s.generate.prompt = read_prompt(s.prompt_file);
  s.generate.seed = program.seed();
  s.generate.stop_at_eos = !s.ignore_eos;
  Model model = Model::load(program.device(), s.model, !s.no_lora);
  const auto show = [&](const std::string& piece) {
    if (!program.prints_tables()) return;
    std::fputs(piece.c_str(), stdout);
    std::fflush(stdout);
  };
  Callbacks callbacks = program.callbacks();
  callbacks.progress = nullptr;  // the text itself shows the progress
  const GenerateResult result = generate(model, s.generate, show, callbacks);
  show("\n");
  log_speeds(program, result);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), model.summary(), result));
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Options options("apiq-generate",
                  "continue a prompt with a model, computed on the packed weights of a checkpoint",
                  "--model MODEL --prompt TEXT [options]");
  add_options(options, settings);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, options, settings); });
}
