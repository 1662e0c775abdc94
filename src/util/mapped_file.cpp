#include "util/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "apiq/error.hpp"

namespace apiq {

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
  ::close(fd);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace apiq
