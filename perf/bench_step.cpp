// One step of ApiQ-bw (forward, backward, update of clipping and LoRA) over a decoder block: milliseconds,
// launches, arithmetic as a share of the device's fp32 rate, and the kernels that take most of the time. The
// rival runs in a process of its own: perf/rivals/step_torch.py.
//   bench_step [--blocks novels-6m,7B] [--model DIR] [--tokens N] [--recipe paper|best] [--device-memory
//   24GiB]
// --model: the folder behind the name novels-6m (default data/novels-6m). --tokens: of a shape without a
// model (512 on CPUs, 2048 on others).
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apiq/error.hpp"
#include "harness.hpp"
#include "step_block.hpp"
#include "util/text.hpp"

namespace {

using namespace apiq;
using perf::StepBlock;
using perf::StepCase;

struct Settings {
  perf::Options options;
  std::string blocks, model, recipe;
  std::uint64_t tokens = 0, memory_bytes = 0;
};

/// Samples of several steps each, long enough to be measured; the first one is thrown away.
perf::Timing time_steps(runtime::Queue& queue, StepBlock& block, const Settings& s) {
  double begin = 0;
  block.train(3, s.recipe, [&](std::uint64_t done) {  // compiles; the last two give an estimate
    if (done != 1 && done != 3) return;
    queue.finish();
    begin = done == 1 ? perf::now_ms() : perf::now_ms() - begin;
  });
  const double step_ms = begin / 2;
  const auto per_sample =
      static_cast<std::uint32_t>(std::clamp((s.options.quick ? 20.0 : 200.0) / step_ms, 1.0, 1000.0));
  std::vector<double> samples;
  block.train(per_sample * static_cast<std::uint32_t>(s.options.rounds + 1), s.recipe,
              [&](std::uint64_t done) {
                if (done % per_sample != 0) return;
                queue.finish();
                if (done > per_sample) samples.push_back((perf::now_ms() - begin) / per_sample);
                begin = perf::now_ms();
              });
  return perf::summarize(samples);
}

/// Adds launches and kernels of a step, on a device of its own: collecting them costs time.
void add_profile(nlohmann::ordered_json& line, const StepCase& c, const Settings& s) {
  const auto device = perf::open_device(true, s.memory_bytes);
  StepBlock block(device->queue(), c);
  const std::uint32_t steps = s.options.quick ? 2 : 4;
  std::map<std::string, runtime::Profiler::Row> before;
  std::vector<runtime::Profiler::Row> rows;
  block.train(steps + 1, s.recipe, [&](std::uint64_t done) {
    if (done != 1 && done != steps + 1) return;
    device->queue().finish();
    rows = device->queue().profiler().rows();
    if (done != 1) return;
    for (const auto& row : rows) before[row.name] = row;
  });
  double launches = 0, milliseconds = 0;
  for (auto& row : rows) {
    row.launches -= before[row.name].launches;
    row.milliseconds -= before[row.name].milliseconds;
    launches += static_cast<double>(row.launches) / steps;
    milliseconds += row.milliseconds / steps;
  }
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.milliseconds > b.milliseconds; });
  line["launches_per_step"] = launches;
  line["device_milliseconds"] = milliseconds;
  line["kernels"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), 8); ++i)
    line["kernels"].push_back({{"kernel", rows[i].name},
                               {"launches", static_cast<double>(rows[i].launches) / steps},
                               {"milliseconds", rows[i].milliseconds / steps}});
}

/// What dense products could reach at best: the BLAS on CPUs, multiply-add from registers on other devices.
perf::Probe rate_probe(runtime::Queue& queue) {
  return queue.device().info().is_cpu ? perf::blas_probe() : perf::multiply_add_probe(queue);
}

void measure(const StepCase& c, const Settings& s) {
  perf::Result result{
      "step", c.text() + (s.recipe == "paper" ? "" : ", recipe " + s.recipe), {}, 0, c.flops(), "", 0, "",
      {}};
  if (!s.options.wants(result.name)) return;
  nlohmann::ordered_json line;
  {
    const auto device = perf::open_device(false, s.memory_bytes);
    const perf::Probe probe = rate_probe(device->queue());
    result.limit_name = device->info().is_cpu ? "fp32 matmul rate" : probe.name;
    result.limit = probe.gflop_per_second(perf::interleave({probe.contender}, 3)[0]);
    StepBlock block(device->queue(), c);
    result.ours = time_steps(device->queue(), block, s);
    line = perf::to_json(result, device->info());
    line["tokens"] = c.tokens;
    line["peak_device_bytes"] = device->budget().peak_bytes();
  }
  add_profile(line, c, s);
  perf::print_line(line);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv, "--blocks --model --tokens --recipe --device-memory");
  const auto value = [&](std::string_view name, std::string_view fallback) {
    return perf::value_of(argc, argv, name, fallback);
  };
  try {
    Settings s{options, value("--blocks", "novels-6m,7B"), value("--model", "data/novels-6m"),
               value("--recipe", "paper")};
    s.tokens = std::strtoull(value("--tokens", "0").c_str(), nullptr, 10);
    s.memory_bytes = parse_size(value("--device-memory", "0"));
    if (s.tokens == 0) s.tokens = !perf::open_device()->info().is_cpu ? 2048 : options.quick ? 64 : 512;
    std::istringstream blocks(s.blocks);
    for (std::string name; std::getline(blocks, name, ',');)
      measure(name == "novels-6m" ? perf::step_case(s.model, 256) : perf::step_case(name, s.tokens), s);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: error: %s\n", argv[0], error.what());
    return 1;
  }
  return 0;
}
