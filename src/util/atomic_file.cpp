#include "util/atomic_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
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

namespace {

/// Process id in "<name>.<pid>.tmp"; 0 if `file` is not called so.
long writer_of(const std::string& file, const std::string& name) {
  static constexpr std::string_view kEnd = ".tmp";
  if (!file.starts_with(name + ".") || !file.ends_with(kEnd) || file.size() < name.size() + 1 + kEnd.size())
    return 0;
  const std::string_view digits(file.data() + name.size() + 1, file.size() - name.size() - 1 - kEnd.size());
  long pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  return error == std::errc() && end == digits.data() + digits.size() ? pid : 0;
}

}  // namespace

void remove_stale_temporaries(const fs::path& path) noexcept {
  try {
    const std::string name = path.filename().string();
    for (const auto& file : fs::directory_iterator(fs::absolute(path).parent_path())) {
      const long pid = writer_of(file.path().filename().string(), name);
      if (pid > 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) fs::remove(file.path());
    }
  } catch (const std::exception&) {
    // What cannot be listed or removed is in nobody's way.
  }
}

void commit_file(const fs::path& temporary, const fs::path& path) {
  const auto fail = [&](const char* step) {
    const std::string reason = std::strerror(errno);
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw IoError(path.string() + ": " + step + " failed: " + reason +
                  "; nothing was written under this name");
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
    throw FormatError(path.string() + ": " + size_text(size) + " is larger than the " +
                      size_text(limit_bytes) + " accepted for this file");
  std::string out(size, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(out.data(), static_cast<std::streamsize>(size));
  if (!file) throw IoError(path.string() + ": cannot be read: " + std::strerror(errno));
  return out;
}

}  // namespace apiq
