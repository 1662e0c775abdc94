// A file mapped into memory read-only: pages are read when touched, so opening a 100 GB model costs nothing.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace apiq {

class MappedFile {
 public:
  /// Throws IoError: missing, not a regular file, not readable.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }
  /// The whole file; empty for an empty file. Valid while this object lives, even if the file is replaced by rename meanwhile.
  /// A file cut short in place while mapped raises SIGBUS on access, as with any mapping.
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace apiq
