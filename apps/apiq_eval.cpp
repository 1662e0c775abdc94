// apiq-eval: perplexity of a model or checkpoint on a text, and its distance to a reference model.
#include <cstdio>
#include <optional>

#include "apiq/evaluate.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  std::filesystem::path model, reference;
  bool no_lora = false;
  PerplexityOptions perplexity;

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
    visit(&S::reference, Field{.name = "reference",
                               .placeholder = "MODEL",
                               .help = "also print KL divergence and top-1 agreement against this model",
                               .group = kGroup});
  }
};

std::string protocol(const PerplexityResult& result) {
  std::string out =
      "text encoded in one call, windows of " + std::to_string(result.sequence_length) + " tokens";
  out += result.stride == result.sequence_length ? ", consecutive"
                                                 : ", every " + std::to_string(result.stride) + " tokens";
  return out + ", the partial last one dropped";
}

std::string model_text(const ModelSummary& summary, bool no_lora) {
  std::string bits;
  for (const std::uint32_t b : summary.bits_used) bits += (bits.empty() ? "" : ", ") + std::to_string(b);
  if (!summary.quantized) return summary.path + ", " + bits + " bits";
  return summary.path + ", " + summary.method + " " + bits + " bits" + (no_lora ? ", without LoRA" : "");
}

void print_result(Program& program, const Settings& s, const ModelSummary& summary,
                  const PerplexityResult& result) {
  std::vector<std::pair<std::string, std::string>> rows = {
      {"model", model_text(summary, s.no_lora)},
      {"text", s.perplexity.text.string() + ", " + std::to_string(result.tokens) + " tokens"},
      {"protocol", protocol(result)},
      {"windows, predictions", std::to_string(result.windows) + ", " + std::to_string(result.predictions)},
      {"perplexity", decimals(result.perplexity, 4)},
      {"mean nll", decimals(result.mean_nll, 6) + " nats"},
  };
  if (result.kl_divergence)
    rows.push_back(
        {"KL divergence", decimals(*result.kl_divergence, 6) + " nats, from " + s.reference.string()});
  if (result.top1_agreement)
    rows.push_back({"top-1 agreement", decimals(100 * *result.top1_agreement, 2) + " %"});
  rows.push_back({"time", duration_text(result.seconds) + ", " +
                              significant(static_cast<double>(result.predictions) / result.seconds) +
                              " predictions/s"});
  rows.push_back({"peak memory", "device " + size_text(program.device().peak_bytes()) + ", host " +
                                     size_text(peak_host_bytes())});
  print_pairs(rows);
}

int run(Program& program, const Settings& s) {
  Device& device = program.device();
  Model model = Model::load(device, s.model, !s.no_lora);
  std::optional<Model> reference;
  if (!s.reference.empty()) reference.emplace(Model::load(device, s.reference));
  const PerplexityResult result =
      evaluate_perplexity(model, s.perplexity, reference ? &*reference : nullptr, program.callbacks());
  program.end_progress();
  if (program.prints_tables()) print_result(program, s, model.summary(), result);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), model.summary(), result));
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Options options("apiq-eval",
                  "perplexity of a model on a text, computed on the packed weights of a checkpoint",
                  "--model MODEL --text FILE [options]");
  options.fields(settings).fields(settings.perplexity);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, settings); });
}
