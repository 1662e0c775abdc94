// A checkpoint's quantization as pictures: errors, losses, time and memory, as one SVG or one HTML page. No
// device, no network.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apiq/inspect.hpp"

namespace apiq {

/// What the run itself measured and the checkpoint must not hold, since equal runs give equal bytes: the JSON
/// result of apiq-quantize.
struct RunRecord {
  std::string path, command, device;  // device: its name
  std::uint64_t seed = 0, output_bytes = 0, peak_device_bytes = 0, peak_host_bytes = 0;
  double seconds = 0, wait_seconds = 0;  // of the quantization
  std::vector<BlockReport> blocks;
};

/// Where apiq-quantize leaves it: "model.h5" -> "model.h5.run.json".
std::filesystem::path run_record_path(const std::filesystem::path& checkpoint);

/// Writes it: `result` is to_json(RunInfo, QuantizeResult). Atomically; also clears away what a killed writer
/// of it left. Throws IoError.
void write_run_record(const std::filesystem::path& checkpoint, const std::string& result);

/// Throws IoError, FormatError.
RunRecord read_run_record(const std::filesystem::path& path);

/// What shows that the record is of another run than the checkpoint: "output_bytes: 4096 there, 8192 here".
/// Empty: it belongs to it.
std::string run_mismatch(const FileSummary& checkpoint, const RunRecord& run);

/// Four panels: relative output error of each block, weight error of each linear, loss over the steps, time
/// and memory of each block. Without a run record the last says "not recorded". Equal arguments give equal
/// text. Throws Unsupported for anything but a checkpoint, FormatError for a report that is damaged.
std::string plot_svg(const FileSummary& checkpoint, const RunRecord* run = nullptr);

/// One page without script or references to elsewhere: summary, the panels, settings, provenance, the
/// command, tables. Throws as plot_svg.
std::string html_report(const FileSummary& checkpoint, const RunRecord* run = nullptr);

}  // namespace apiq
