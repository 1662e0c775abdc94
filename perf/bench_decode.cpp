// Tokens per second of greedy decoding through apiq::generate, of any model: --model DIRECTORY_OR_CHECKPOINT (data/novels-6m), --tokens N (256),
// --lora 0 leaves the adapter out. Milliseconds are those of one token after the first; bytes are the weights read for it. A rival runs beside
// it through perf/rivals/decode_torch.py.
#include <cstdlib>
#include <filesystem>

#include "apiq/generate.hpp"
#include "harness.hpp"

namespace {

using namespace apiq;

std::string case_name(const std::filesystem::path& path, const ModelSummary& summary, bool with_lora, std::uint32_t tokens) {
  std::string bits;
  for (const auto b : summary.bits_used) bits += (bits.empty() ? "" : ", ") + std::to_string(b);
  const std::string name = path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
  return name + ", " + bits + " bits" + (summary.quantized && !with_lora ? ", without LoRA" : "") + ", " + std::to_string(tokens) + " tokens";
}

double decode_ms(Model& model, std::uint32_t tokens) {
  GenerateOptions options;
  options.max_tokens = tokens;
  options.stop_at_eos = false;
  return 1e3 / generate(model, options).decode_tokens_per_second;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv, "--model --tokens --lora");
  const std::filesystem::path path = perf::value_of(argc, argv, "--model", "data/novels-6m");
  const auto tokens = static_cast<std::uint32_t>(std::atoi(perf::value_of(argc, argv, "--tokens", "256").c_str()));
  const bool with_lora = perf::value_of(argc, argv, "--lora", "1") != "0";
  DeviceOptions device_options;
  if (const char* selector = std::getenv("APIQ_DEVICE")) device_options.selector = selector;
  try {
    Device device = Device::open(device_options);
    Model model = Model::load(device, path, with_lora);
    decode_ms(model, 8);
    std::vector<double> samples;
    for (int round = 0; round < options.rounds; ++round) samples.push_back(decode_ms(model, tokens));
    perf::Result result;
    result.benchmark = "decode";
    result.name = case_name(path, model.summary(), with_lora, tokens);
    result.ours = perf::summarize(std::move(samples));
    result.bytes = static_cast<double>(model.summary().weight_bytes);
    result.limit_name = "read bandwidth";
    result.limit = perf::host_read_gb_per_second(3);
    perf::print(result, device.info());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_decode: %s\n", error.what());
    return 1;
  }
  return 0;
}
