#include "util/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "apiq/error.hpp"

namespace apiq {

namespace {
// A page fault in a file maps its neighbours in the page cache too: 64 KiB around it, on newer kernels the
// whole piece the page cache holds in one, up to 2 MiB. Releasing whole windows leaves none of them behind.
constexpr std::uintptr_t kFaultWindow = std::uintptr_t{2} << 20;
}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: opening a FIFO by mistake must fail in the check below, not wait for a writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const auto fail = [&](const char* what, const std::string& reason) {
    if (fd >= 0) ::close(fd);
    throw IoError(path.string() + ": " + what + ": " + reason);
  };
  if (fd < 0) fail("cannot be opened for reading", std::strerror(errno));
  struct stat status {};
  if (::fstat(fd, &status) != 0) fail("cannot be examined", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail("cannot be mapped", "it is not a regular file");
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ != 0) {  // mmap refuses empty ranges
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) fail("cannot be mapped", std::strerror(errno));
    data_ = static_cast<const std::byte*>(address);
  }
  fd_ = fd;
}

MappedFile::~MappedFile() { reset(); }

void MappedFile::reset() noexcept {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  if (fd_ >= 0) ::close(fd_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      fd_(std::exchange(other.fd_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(fd_, other.fd_);
  return *this;
}

void MappedFile::release(std::span<const std::byte> part) const noexcept {
  if (part.empty()) return;
  // The mapping begins at a page boundary; clipping to it keeps the call away from what others mapped beside
  // it.
  const auto base = reinterpret_cast<std::uintptr_t>(data_),
             first = reinterpret_cast<std::uintptr_t>(part.data());
  const std::uintptr_t begin = std::max(base, first / kFaultWindow * kFaultWindow);
  const std::uintptr_t end =
      std::min(base + size_, (first + part.size() + kFaultWindow - 1) / kFaultWindow * kFaultWindow);
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void MappedFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t count = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      throw IoError(path_.string() + ": cannot be read at byte " + std::to_string(offset) + ": " +
                    std::strerror(errno));
    if (count == 0)
      throw IoError(path_.string() + ": expected " + std::to_string(size_) +
                    " bytes as when it was opened, found the end of the file at byte " +
                    std::to_string(offset) + "; it was cut short while in use, restore it and run again");
    offset += static_cast<std::uint64_t>(count);
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace apiq
