// The limits everything else is held against: reading, copying and transferring memory, fp32 multiply-add,
// and the BLAS's fp32 matmul.
#include <cblas.h>

#include "harness.hpp"

namespace {

using namespace apiq;
using perf::Probe;

std::vector<Probe> all_probes(runtime::Queue& queue) {
  std::vector<Probe> probes = perf::read_probes(queue);
  probes.push_back(perf::copy_probe(queue));
  probes.push_back(perf::upload_probe(queue));
  probes.push_back(perf::download_probe(queue));
  probes.push_back(perf::multiply_add_probe(queue));
  if (queue.device().info().is_cpu) probes.push_back(perf::blas_probe());
  return probes;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv);
  const auto device = perf::open_device();
  std::vector<Probe> probes;
  std::vector<perf::Contender> contenders;
  for (auto& probe : all_probes(device->queue()))
    if (options.wants(probe.name)) {
      contenders.push_back(probe.contender);
      probes.push_back(std::move(probe));
    }
  const auto timings = perf::interleave(contenders, options.rounds);
  for (std::size_t i = 0; i < probes.size(); ++i)
    perf::print({"limits", probes[i].name, timings[i], probes[i].bytes, probes[i].flops, "", 0, "", {}},
                device->info());
  return 0;
}
