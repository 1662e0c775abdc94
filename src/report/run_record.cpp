// The result of apiq-quantize read back, and whether it is that of a given checkpoint.
#include "apiq/error.hpp"
#include "apiq/plot.hpp"
#include "report/block_json.hpp"
#include "util/atomic_file.hpp"
#include "util/json.hpp"

namespace apiq {

using nlohmann::json;

namespace {

constexpr std::uint64_t kLimitBytes = std::uint64_t{256} << 20;

/// NaN, which stands for "not measured", equals itself here.
bool same(double a, double b) { return a == b || (a != a && b != b); }

bool same_measures(const BlockReport& a, const BlockReport& b) {
  if (a.index != b.index || a.linears.size() != b.linears.size() || a.losses.size() != b.losses.size())
    return false;
  if (!same(a.relative_error, b.relative_error)) return false;
  for (std::size_t i = 0; i < a.losses.size(); ++i)
    if (!same(a.losses[i], b.losses[i])) return false;
  for (std::size_t i = 0; i < a.linears.size(); ++i)
    if (a.linears[i].name != b.linears[i].name || !same(a.linears[i].weight_error, b.linears[i].weight_error))
      return false;
  return true;
}

std::string difference(const std::string& what, const std::string& there, const std::string& here) {
  return what + ": " + there + " there, " + here + " in the checkpoint";
}

RunRecord record_from(const json& in, const std::filesystem::path& path) {
  RunRecord out;
  out.path = path.string();
  if (in.at("program") != "apiq-quantize" || in.contains("dry_run"))
    throw FormatError(
        path.string() +
        ": expected the --json result of an apiq-quantize run, found that of another program or a dry run");
  out.command = in.at("command").get<std::string>();
  if (in.at("device").is_object()) out.device = in.at("device").at("name").get<std::string>();
  out.seed = in.at("seed").get<std::uint64_t>();
  out.output_bytes = in.at("output_bytes").get<std::uint64_t>();
  out.peak_device_bytes = in.at("peak_device_bytes").get<std::uint64_t>();
  out.peak_host_bytes = in.at("peak_host_bytes").get<std::uint64_t>();
  out.seconds = in.at("quantize_seconds").get<double>();
  out.wait_seconds = in.at("wait_seconds").get<double>();
  for (const json& block : in.at("blocks")) out.blocks.push_back(block_from_json(block));
  return out;
}

}  // namespace

std::filesystem::path run_record_path(const std::filesystem::path& checkpoint) {
  return checkpoint.string() + ".run.json";
}

void write_run_record(const std::filesystem::path& checkpoint, const std::string& result) {
  const std::filesystem::path path = run_record_path(checkpoint);
  remove_stale_temporaries(path);
  write_file_atomically(path, result + "\n");
}

RunRecord read_run_record(const std::filesystem::path& path) {
  const json in = parse_json(read_file(path, kLimitBytes), path.string(), kLimitBytes);
  try {
    return record_from(in, path);
  } catch (const json::exception& error) {
    throw FormatError(path.string() +
                      ": expected the --json result of an apiq-quantize run: " + error.what());
  }
}

/// No hash of the checkpoint: it may be large, and size, command and every measured error together leave no
/// room for chance.
std::string run_mismatch(const FileSummary& checkpoint, const RunRecord& run) {
  if (run.output_bytes != checkpoint.total_bytes)
    return difference("output_bytes", std::to_string(run.output_bytes),
                      std::to_string(checkpoint.total_bytes));
  const json provenance = parse_json(checkpoint.provenance_json, checkpoint.path + ": provenance");
  const std::string command = provenance.is_object() ? provenance.value("command", "") : "";
  if (run.command != command) return difference("command", "'" + run.command + "'", "'" + command + "'");
  const std::vector<BlockReport> blocks = block_reports(checkpoint);
  if (run.blocks.size() != blocks.size())
    return difference("blocks", std::to_string(run.blocks.size()), std::to_string(blocks.size()));
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (!same_measures(run.blocks[i], blocks[i]))
      return "block " + std::to_string(blocks[i].index) + ": losses or errors differ";
  return {};
}

}  // namespace apiq
