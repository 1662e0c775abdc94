// A part file: one finished block of a run, kept until the whole checkpoint can be written
// (docs/work-directory.md). The linears lie in it exactly as they will in the checkpoint.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "codec/quantized_linear.hpp"
#include "family/model_config.hpp"

namespace apiq {

struct BlockPart {
  std::uint32_t block = 0;
  std::vector<std::pair<std::string, QuantizedLinear>>
      linears;              // in the order they were solved; names without ".weight"
  std::string report_json;  // what was measured on this block
};

/// Written under a temporary name, flushed, renamed: a file under `path` is complete. Equal parts give equal
/// bytes. Returns the file's sha256. Throws IoError (disk full, say) that names path and leaves nothing
/// behind, ShapeError or InvalidArgument for linears that cannot be stored. HDF5 may be used by one thread at
/// a time: so may this and everything else that reads or writes .h5.
std::string write_part(const std::filesystem::path& path, const BlockPart& part);

/// Everything in the file, with every checksum. Linears that the model has not, in this block or in this
/// shape, are refused before anything is sized by them. Throws IoError (absent), FormatError (damaged, or of
/// another model) or Unsupported (another format_version).
BlockPart read_part(const std::filesystem::path& path, const ModelConfig& config);

}  // namespace apiq
