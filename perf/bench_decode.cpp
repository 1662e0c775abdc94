// Tokens per second of greedy decoding through apiq::generate: bench_decode [MODEL...] with directories or
// checkpoints (data/novels-6m), in turns.
// --tokens N (256), --lora 0 leaves adapters out. Milliseconds are those of one token after the first; bytes
// are the weights read for it. A rival runs beside it through perf/rivals/decode_torch.py.
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apiq/generate.hpp"
#include "harness.hpp"
#include "limits.hpp"

namespace {

using namespace apiq;

std::string case_name(const std::filesystem::path& path, const ModelSummary& summary, bool with_lora,
                      std::uint32_t tokens) {
  std::string bits;
  for (const auto b : summary.bits_used) bits += (bits.empty() ? "" : ", ") + std::to_string(b);
  const std::string name =
      path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
  return name + ", " + bits + " bits" + (summary.quantized && !with_lora ? ", without LoRA" : "") + ", " +
         std::to_string(tokens) + " tokens";
}

double decode_ms(Model& model, std::uint32_t tokens) {
  GenerateOptions options;
  options.max_tokens = tokens;
  options.ignore_eos = true;
  return 1e3 / generate(model, options).decode_tokens_per_second;
}

struct Contestant {
  std::filesystem::path path;
  Model model;
  std::vector<double> samples;
};

int run(const std::vector<std::filesystem::path>& paths, const perf::Options& options, std::uint32_t tokens,
        bool with_lora) {
  DeviceOptions device_options;
  if (const char* selector = std::getenv("APIQ_DEVICE")) device_options.selector = selector;
  Device device = Device::open(device_options);
  std::vector<Contestant> contestants;
  for (const auto& path : paths) {
    contestants.push_back({path, Model::load(device, path, with_lora), {}});
    decode_ms(contestants.back().model, std::min(tokens, 64u));  // compiles, allocates
  }
  for (int round = 0; round < options.rounds; ++round)
    for (Contestant& c : contestants) c.samples.push_back(decode_ms(c.model, tokens));
  const double limit = perf::read_gb_per_second(device.impl().queue(), 3);
  for (const Contestant& c : contestants) {
    perf::Result result;
    result.benchmark = "decode";
    result.name = case_name(c.path, c.model.summary(), with_lora, tokens);
    result.ours = perf::summarize(c.samples);
    result.bytes = static_cast<double>(c.model.summary().weight_bytes);
    result.limit_name = "read bandwidth";
    result.limit = limit;
    auto line = perf::to_json(result, device.info());
    line["tokens_per_second"] = 1e3 / result.ours.median;
    perf::print_line(line);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int named = 1;
  while (named < argc && argv[named][0] != '-') ++named;
  std::vector<std::filesystem::path> paths(argv + 1, argv + named);
  if (paths.empty()) paths.emplace_back("data/novels-6m");
  std::vector<char*> rest(argv + named, argv + argc);
  rest.insert(rest.begin(), argv[0]);
  const int count = static_cast<int>(rest.size());
  const auto options = perf::parse_options(count, rest.data(), "--tokens --lora");
  const auto tokens = static_cast<std::uint32_t>(
      std::max(2, std::atoi(perf::value_of(count, rest.data(), "--tokens", "256").c_str())));
  try {
    return run(paths, options, tokens, perf::value_of(count, rest.data(), "--lora", "1") != "0");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_decode: %s\n", error.what());
    return 1;
  }
}
