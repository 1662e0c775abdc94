#include "calib/activation_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "apiq/error.hpp"
#include "util/atomic_file.hpp"
#include "util/sha256.hpp"
#include "util/text.hpp"

namespace apiq::calib {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kMagic = "APIQACTV";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

void append_little_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

std::uint64_t little_endian(const std::byte* data, int bytes) {
  std::uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | std::to_integer<std::uint64_t>(data[i]);
  return value;
}

std::string text_of(std::uint64_t samples, std::uint64_t tokens, std::uint64_t features) {
  return std::to_string(samples) + " samples of [" + std::to_string(tokens) + ", " +
         std::to_string(features) + "]";
}

std::uint64_t size_of_file(int fd, const fs::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0)
    throw IoError(path.string() + ": cannot be examined: " + std::strerror(errno));
  if (!S_ISREG(status.st_mode))
    throw FormatError(path.string() + ": expected an activation file, found no regular file");
  return static_cast<std::uint64_t>(status.st_size);
}

void read_at(int fd, const fs::path& path, std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t count = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      throw IoError(path.string() + ": cannot be read at byte " + std::to_string(offset) + ": " +
                    std::strerror(errno));
    if (count == 0)
      throw IoError(path.string() + ": ends at byte " + std::to_string(offset) +
                    "; it was cut short while in use");
    offset += static_cast<std::uint64_t>(count);
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

/// Everything in the header against what the caller is going to read.
void check_header(int fd, const fs::path& path, const ActivationLayout& layout) {
  const std::uint64_t found = size_of_file(fd, path);
  std::byte header[ActivationFile::kHeaderBytes];
  if (found < sizeof header)
    throw FormatError(path.string() + ": expected an activation file, found " + std::to_string(found) +
                      " bytes");
  read_at(fd, path, 0, header);
  if (std::memcmp(header, kMagic.data(), kMagic.size()) != 0)
    throw FormatError(path.string() + ": is not an activation file");
  const std::uint64_t version = little_endian(header + 8, 4);
  if (version != kVersion)
    throw FormatError(path.string() + ": expected version " + std::to_string(kVersion) +
                      " of the format, found " + std::to_string(version));
  const std::string expected = text_of(layout.num_samples, layout.tokens, layout.features),
                    stored = text_of(little_endian(header + 12, 4), little_endian(header + 16, 8),
                                     little_endian(header + 24, 8));
  if (expected != stored) throw FormatError(path.string() + ": expected " + expected + ", found " + stored);
  const std::string zeros(sizeof header - 32, '\0');
  if (std::memcmp(header + 32, zeros.data(), zeros.size()) != 0)
    throw FormatError(path.string() + ": its header is damaged");
  if (const std::uint64_t size = ActivationFile::bytes(layout); found != size)
    throw FormatError(path.string() + ": expected " + std::to_string(size) + " bytes, found " +
                      std::to_string(found));
}

void check_sha256(int fd, const fs::path& path, std::uint64_t size, const std::string& expected) {
  Sha256 hash;
  std::vector<std::byte> buffer(kReadBytes);
  for (std::uint64_t offset = 0; offset < size; offset += buffer.size()) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), size - offset));
    read_at(fd, path, offset, part);
    hash.update(part.data(), part.size());
  }
  if (const std::string found = hash.hex(); found != expected)
    throw FormatError(path.string() + ": expected sha256 " + expected + ", found " + found +
                      "; the file is damaged");
}

}  // namespace

std::string ActivationFile::header(const ActivationLayout& layout) {
  std::string out(kMagic);
  append_little_endian(out, kVersion, 4);
  append_little_endian(out, layout.num_samples, 4);
  append_little_endian(out, layout.tokens, 8);
  append_little_endian(out, layout.features, 8);
  out.resize(kHeaderBytes, '\0');
  return out;
}

ActivationFile ActivationFile::scratch(const fs::path& folder, const ActivationLayout& layout) {
  std::string name = (folder / "activations-scratch-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0)
    throw IoError(folder.string() + ": no file for activations can be made in it: " + std::strerror(errno));
  ::unlink(name.c_str());
  ActivationFile file(fd, folder / "activations-scratch", layout);
  file.reserve();
  return file;
}

ActivationFile ActivationFile::create(const fs::path& path, const ActivationLayout& layout) {
  // The file of the pass before may still be on its way to the same name.
  static std::atomic<unsigned> counter = 0;
  fs::path temporary = path;
  temporary += "." + std::to_string(counter++);
  temporary = temporary_name(temporary);
  const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) throw IoError(path.string() + ": cannot be created: " + std::strerror(errno));
  ActivationFile file(fd, path, layout);
  file.temporary_ = temporary;
  file.reserve();
  return file;
}

ActivationFile ActivationFile::open(const fs::path& path, const ActivationLayout& layout,
                                    const std::string& sha256) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw IoError(path.string() + ": cannot be opened for reading: " + std::strerror(errno));
  ActivationFile file(fd, path, layout);
  check_header(fd, path, layout);
  if (!sha256.empty()) check_sha256(fd, path, bytes(layout), sha256);
  return file;
}

ActivationFile::~ActivationFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

ActivationFile::ActivationFile(ActivationFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      layout_(other.layout_) {
  other.temporary_.clear();
}

void ActivationFile::fail_writing(int error) const {
  throw IoError(path_.string() + ": cannot be written: " + std::strerror(error) + "; the file needs " +
                size_text(bytes(layout_)) +
                "; make room on its disk or choose a --work-dir elsewhere, then run the same command again: "
                "finished blocks are kept");
}

void ActivationFile::reserve() const {
  // Not posix_fallocate: where the file system cannot do it, that would write the whole file.
  if (::fallocate(fd_, 0, 0, static_cast<off_t>(bytes(layout_))) != 0 &&
      (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
    fail_writing(errno);
  const std::string text = header(layout_);
  write_at(0, std::as_bytes(std::span(text)));
}

void ActivationFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) const {
  const auto begin = static_cast<off_t>(offset), length = static_cast<off_t>(bytes.size());
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_writing(errno);
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  // The disk begins now, not at publish(): its flush then finds little left to do. Only a hint.
  if (!temporary_.empty()) ::sync_file_range(fd_, begin, length, SYNC_FILE_RANGE_WRITE);
}

void ActivationFile::write(std::uint32_t sample, std::span<const std::byte> bytes) const {
  write_at(position(sample), bytes);
}

void ActivationFile::read(std::uint32_t sample, std::uint64_t offset, std::span<std::byte> out) const {
  read_at(fd_, path_, position(sample) + offset, out);
}

void ActivationFile::publish() {
  const fs::path temporary = std::exchange(temporary_, {});
  commit_file(temporary, path_);
}

}  // namespace apiq::calib
