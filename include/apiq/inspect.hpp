// What is in a checkpoint or a model directory, without a device.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "apiq/block_report.hpp"

namespace apiq {

struct LinearSummary {
  std::string name;
  std::uint32_t out_features = 0, in_features = 0, bits = 0, group_size = 0, rank = 0;
  bool symmetric = false;
  std::uint64_t bytes = 0, adapter_bytes = 0;
};

struct TensorSummary {
  std::string name, dtype, shape;
  std::uint64_t bytes = 0;
};

struct FileSummary {
  std::string path, kind;  // "checkpoint" or "model directory"
  std::string method, options_json, provenance_json, report_json, config_json;
  std::vector<LinearSummary> linears;      // checkpoint only: the quantized ones
  std::vector<std::string> dense_linears;  // checkpoint only: linears that were left as they are; their
                                           // weights are among the tensors
  std::vector<std::string> linear_names;   // checkpoint only: all linears, quantized or not, block by block
                                           // in the order in which they compute
  std::vector<TensorSummary> tensors;      // unquantized
  std::vector<std::string> side_files;
  double bits_per_weight = 0, adapter_bits_per_weight = 0;
  std::uint64_t total_bytes = 0;
};

/// Throws IoError, FormatError, Unsupported.
FileSummary inspect(const std::filesystem::path& path);

/// What the checkpoint says about its blocks (losses, errors; no times, which it does not hold); empty
/// without a report. Throws FormatError.
std::vector<BlockReport> block_reports(const FileSummary& summary);

/// A JSON text as rows for people: nested keys joined with dots, lists with commas, in the order of the keys;
/// empty for an empty text. Throws FormatError.
std::vector<std::pair<std::string, std::string>> setting_rows(const std::string& json_text);

/// "2", or for mixed settings "2 (35 linears), 3 (7)": most frequent first.
struct LinearSettingTexts {
  std::string bits, group_size, rank, grid;
};
LinearSettingTexts setting_texts(const FileSummary& summary);

/// Reads everything and checks every checksum and every tensor against the configuration. Throws FormatError
/// on the first damage.
void verify(const std::filesystem::path& path);

/// Names of what differs between two checkpoints: tensors, linears (and which part), options. Empty: same
/// payload.
std::vector<std::string> compare(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace apiq
