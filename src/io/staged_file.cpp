#include "io/staged_file.hpp"

#include "apiq/error.hpp"
#include "util/atomic_file.hpp"

namespace apiq::hdf5 {

namespace fs = std::filesystem;

StagedFile::StagedFile(const fs::path& path) : path_(path) {
  if (fs::is_directory(path))
    throw IoError(path.string() + ": is a directory; expected a file name to write");
  const fs::path temporary = temporary_name(path);
  file_ = create_file(temporary, path.string());
  temporary_ = temporary;
}

StagedFile::~StagedFile() {
  if (temporary_.empty()) return;
  abandon_file(file_);
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void StagedFile::commit() {
  if (temporary_.empty()) throw InvalidArgument("[checkpoint] " + path_.string() + ": finished twice");
  finish_file(file_);
  commit_file(temporary_, path_);
  temporary_.clear();
}

}  // namespace apiq::hdf5
