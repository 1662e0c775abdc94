// An HDF5 file being written under a temporary name: it appears under its own when complete, or not at all.
#pragma once
#include <filesystem>

#include "io/hdf5.hpp"

namespace apiq::hdf5 {

/// Whoever holds groups of `file` closes them first: a file is closed by its last id.
class StagedFile {
 public:
  /// Throws IoError at once if the folder is not writable.
  explicit StagedFile(const std::filesystem::path& path);
  ~StagedFile();  // removes the temporary file unless committed
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  const Node& file() const { return file_; }
  /// Flush, close, rename. Throws IoError (disk full, say) and leaves nothing behind; InvalidArgument the
  /// second time.
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  Node file_;
};

}  // namespace apiq::hdf5
