// Results as JSON: the keys of docs/cli.md, the same for every program.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "apiq/batch.hpp"
#include "apiq/device.hpp"
#include "apiq/evaluate.hpp"
#include "apiq/fast_paths.hpp"
#include "apiq/generate.hpp"
#include "apiq/inspect.hpp"
#include "apiq/output_file.hpp"
#include "apiq/process_memory.hpp"
#include "apiq/quantize.hpp"
#include "apiq/self_test.hpp"
#include "apiq/tune.hpp"

namespace apiq {

/// What every result carries.
struct RunInfo {
  std::string program;  // "apiq-quantize"
  std::string command;  // as typed, quoted
  const Device* device = nullptr;
  std::uint64_t seed = 0;
  double seconds = 0;  // of the whole program
};

std::string to_json(const RunInfo& run, const QuantizeResult& result);
std::string to_json(const RunInfo& run, const DryRunResult& result);
std::string to_json(const RunInfo& run, const ModelSummary& model, const PerplexityResult& result);
std::string to_json(const RunInfo& run, const ModelSummary& model, const GenerateResult& result);
std::string to_json(const RunInfo& run, const FileSummary& summary);
std::string to_json(const RunInfo& run, const std::vector<DeviceReport>& devices,
                    const std::vector<SelfTestRow>& self_test, const DeviceBenchmark* benchmark);

std::string to_json(const RunInfo& run, const BatchResult& result);
std::string to_json(const RunInfo& run, const TuneResult& result);
std::string to_json(const RunInfo& run, const std::vector<TunableKernel>& kernels);

/// Of apiq::compare: key `differences`.
std::string to_json(const RunInfo& run, const std::vector<std::string>& differences);

/// Shell-quoted command line.
std::string command_text(int argc, const char* const* argv);

/// "1.50 MiB".
std::string size_text(std::uint64_t bytes);

/// "8GiB" -> bytes. Throws InvalidArgument.
std::uint64_t parse_size(const std::string& text);

}  // namespace apiq
