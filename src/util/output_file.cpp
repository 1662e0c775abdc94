#include "apiq/output_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "apiq/error.hpp"
#include "util/atomic_file.hpp"

namespace apiq {

namespace fs = std::filesystem;

void write_result(const std::string& path, const std::string& text) {
  if (path != "-") return write_file_atomically(path, text + "\n");
  std::fputs((text + "\n").c_str(), stdout);
  if (std::fflush(stdout) != 0) throw IoError("standard output cannot be written");
}

void check_writable(const fs::path& path) {
  if (path == "-") return;
  std::error_code ignored;
  const fs::path folder = fs::absolute(path).parent_path();
  if (!fs::is_directory(folder, ignored))
    throw IoError(path.string() + ": cannot be written: " + folder.string() +
                  (fs::exists(folder, ignored) ? " is no folder" : " does not exist") +
                  "; create it or choose another name");
  if (fs::is_directory(path, ignored))
    throw IoError(path.string() + ": is a directory; expected a file name to write");
  // Permissions do not tell (root may do anything, but not in /proc or on a read-only file system): try.
  std::string probe = (folder / ".apiq-XXXXXX").string();
  const int file = ::mkstemp(probe.data());
  if (file < 0)
    throw IoError(path.string() + ": cannot be written: " + folder.string() + " takes no new file (" +
                  std::strerror(errno) + "); choose another name");
  ::close(file);
  ::unlink(probe.c_str());
}

}  // namespace apiq
