#include "util/atomic_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "apiq/error.hpp"
#include "util/text.hpp"

namespace apiq {

namespace fs = std::filesystem;

fs::path temporary_name(const fs::path& path) {
  fs::path out = path;
  out += "." + std::to_string(::getpid()) + ".tmp";
  return out;
}

void commit_file(const fs::path& temporary, const fs::path& path) {
  const auto fail = [&](const char* step) {
    const std::string reason = std::strerror(errno);
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw IoError(path.string() + ": " + step + " failed: " + reason + "; nothing was written under this name");
  };
  const int fd = ::open(temporary.c_str(), O_RDONLY);
  if (fd < 0) fail("opening the temporary file");
  const int synced = ::fsync(fd);
  ::close(fd);
  if (synced != 0) fail("flushing to disk");
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("renaming the finished file");
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  const fs::path temporary = temporary_name(path);
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) {
      const std::string reason = std::strerror(errno);
      std::error_code ignored;
      fs::remove(temporary, ignored);
      throw IoError(path.string() + ": cannot be written: " + reason);
    }
  }
  commit_file(temporary, path);
}

std::string read_file(const fs::path& path, std::uint64_t limit_bytes) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) throw IoError(path.string() + ": cannot be read: " + error.message());
  if (size > limit_bytes)
    throw FormatError(path.string() + ": " + size_text(size) + " is larger than the " + size_text(limit_bytes) + " accepted for this file");
  std::string out(size, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(out.data(), static_cast<std::streamsize>(size));
  if (!file) throw IoError(path.string() + ": cannot be read: " + std::strerror(errno));
  return out;
}

}  // namespace apiq
