// Child processes: started with a log, watched without blocking, asked to stop.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace apiq {

/// A file descriptor that is closed with its owner.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { close(); }
  int get() const { return fd_; }
  int release();
  void close();

 private:
  int fd_;
};

struct ProcessEnd {
  int status = 0;  // exit status, if no signal ended it
  int signal = 0;
};

/// One child in a process group of its own, so that Ctrl-C at the terminal reaches it through us and once
/// only.
class Process {
 public:
  /// Standard output and error go to `log`, standard input is empty. The child gets SIGTERM should the
  /// calling thread end, with its process or alone: who starts a child stays until it has ended. Throws
  /// IoError if no process can be made; a program that cannot be run ends with status 127 and a line in its
  /// log.
  Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
          const std::filesystem::path& folder, int log);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();  // of a child that still runs: kills and waits

  /// How it ended; nothing while it runs.
  std::optional<ProcessEnd> poll();
  void terminate();  // SIGTERM
  void kill();       // SIGKILL

 private:
  pid_t pid_;
};

/// Standard output of a short command. Throws IoError unless it ends with status 0.
std::string output_of(const std::filesystem::path& program, const std::vector<std::string>& arguments);

/// A file opened for writing and locked (flock) for this process and those that inherit it; nothing if
/// another holds the lock. The content stays. Throws IoError.
std::optional<FileDescriptor> open_locked(const std::filesystem::path& path, bool shared = false);

}  // namespace apiq
