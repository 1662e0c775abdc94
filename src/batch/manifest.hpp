// A manifest as it is written, checked but not yet expanded to jobs.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiq/batch.hpp"
#include "batch/option_axes.hpp"

namespace apiq {

struct ManifestModel {
  std::string name;
  std::filesystem::path path;  // as written: relative to the manifest's folder
};

/// One member of "jobs": every combination of its models and options is a job.
struct ManifestEntry {
  std::string key;      // "jobs[1]", for complaints
  std::string program;  // "quantize" or "eval"
  std::vector<std::string> models;
  std::string name;  // pattern with {option} in it; empty: made from what varies
  OptionAxes axes;   // with the defaults of the manifest
};

struct Manifest {
  std::filesystem::path file, folder, output;
  std::vector<std::string> devices;
  double time_limit = 0;
  std::map<std::string, BatchProgram> programs;
  std::vector<ManifestModel> models;
  std::vector<ManifestEntry> entries;
  std::optional<OptionSettings> eval, exported;  // of every quantized result
};

/// Finds out about "quantize", "eval" or "export"; the path is empty unless the manifest names one.
using ProgramSource =
    std::function<DescribedProgram(const std::string& name, const std::filesystem::path& path)>;

/// `file` locates relative paths and is named in errors. Throws FormatError, and what the source throws.
Manifest parse_manifest(std::string_view text, const std::filesystem::path& file,
                        const ProgramSource& source);

/// Every job, in the order of the manifest. Throws FormatError: two jobs of one name, a name pattern that
/// cannot be filled, too many jobs, input files that do not exist.
Batch expand_manifest(const Manifest& manifest);

}  // namespace apiq
