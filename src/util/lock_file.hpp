// One process at a time: an exclusive flock on a file that holds its owner's process id. The system drops the
// lock when the owner dies, however it dies, so a lock file that was left behind locks nothing.
#pragma once
#include <filesystem>

namespace apiq {

class LockFile {
 public:
  /// Creates the file if need be and tries to lock it, without waiting. Throws IoError if the file system
  /// refuses.
  explicit LockFile(const std::filesystem::path& path);
  ~LockFile();  // unlocks; the file stays
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  bool held() const { return held_; }
  /// Process that has it instead; 0 if it did not say.
  long owner() const { return owner_; }
  /// Deletes the file while it is locked, so that nobody can lock a file that is about to go.
  void remove() noexcept;

 private:
  bool try_once();

  std::filesystem::path path_;
  int descriptor_ = -1;
  bool held_ = false;
  long owner_ = 0;
};

}  // namespace apiq
