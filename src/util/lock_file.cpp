#include "util/lock_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "apiq/error.hpp"

namespace apiq {

namespace {

bool same_file(int descriptor, const std::filesystem::path& path) {
  struct stat open {
  }, named{};
  return ::fstat(descriptor, &open) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

long read_owner(int descriptor) {
  char text[32] = {};
  const ssize_t got = ::pread(descriptor, text, sizeof text - 1, 0);
  return got > 0 ? std::strtol(text, nullptr, 10) : 0;
}

}  // namespace

LockFile::LockFile(const std::filesystem::path& path) : path_(path) {
  // Again if the owner deleted the file between our opening and locking it: that lock would exclude nobody.
  while (!try_once()) ::close(descriptor_);
}

bool LockFile::try_once() {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw IoError(path_.string() + ": cannot be created: " + std::strerror(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    if (reason == EWOULDBLOCK) owner_ = read_owner(descriptor_);
    else ::close(descriptor_);
    if (reason != EWOULDBLOCK) throw IoError(path_.string() + ": cannot be locked: " + std::strerror(reason));
    return true;
  }
  if (!same_file(descriptor_, path_)) return false;
  held_ = true;
  const std::string owner = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, owner.data(), owner.size(), 0) < 0) {
    // Only for the text that another process prints: a full disk must not matter here.
  }
  return true;
}

LockFile::~LockFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void LockFile::remove() noexcept {
  if (held_) ::unlink(path_.c_str());
}

}  // namespace apiq
