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
  bool no_lora = false;
  GenerateOptions generate;

  template <class Visit>
  static void fields(Visit&& visit) {
    using S = Settings;
    constexpr const char* kGroup = "Model";
    visit(&S::model, Field{.name = "model",
                           .placeholder = "MODEL",
                           .help = "Hugging Face directory or checkpoint .h5",
                           .group = kGroup,
                           .required = true});
    visit(&S::no_lora, Field{.name = "no-lora", .help = "leave the checkpoint's LoRA out", .group = kGroup});
    visit(&S::prompt_file, Field{.name = "prompt-file",
                                 .placeholder = "FILE",
                                 .help = "read the prompt from a file instead",
                                 .group = "Text"});
  }
};

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
  Callbacks callbacks = program.callbacks();  // first: Ctrl-C is obeyed from here on
  callbacks.progress = nullptr;               // the text itself shows the progress
  Model model = Model::load(program.device(), s.model, !s.no_lora);
  const auto show = [&](const std::string& piece) {
    if (!program.prints_tables()) return;
    std::fputs(piece.c_str(), stdout);
    std::fflush(stdout);
  };
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
  options.fields(settings).fields(settings.generate);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, options, settings); });
}
