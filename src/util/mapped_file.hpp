// A file mapped into memory read-only: pages are read when touched, so opening a 100 GB model costs nothing.
#pragma once
#include <cstddef>
#include <cstdint>
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
  /// The whole file; empty for an empty file. Valid while this object lives, even if the file is replaced by
  /// rename meanwhile. A file cut short in place while mapped raises SIGBUS on access, as with any mapping.
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Takes the pages that hold `part` of bytes() out of the process's resident memory. They stay valid and
  /// are read again when touched, so neighbours and other threads only lose time. Resident pages of a mapped
  /// file count as the process's memory until this call.
  void release(std::span<const std::byte> part) const noexcept;

  /// Bytes from `offset` into `out` by reading, without the mapping: nothing becomes resident. Throws IoError
  /// on a read error and when the file has meanwhile been cut short.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  void reset() noexcept;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int fd_ = -1;
};

}  // namespace apiq
