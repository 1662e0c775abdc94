#include "batch/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "apiq/error.hpp"

namespace apiq {

namespace {

std::vector<char*> argument_vector(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<char*> out = {const_cast<char*>(program.c_str())};  // exec does not write to them
  for (const std::string& argument : arguments) out.push_back(const_cast<char*>(argument.c_str()));
  out.push_back(nullptr);
  return out;
}

/// In the child: only calls that are safe after fork.
[[noreturn]] void become(const std::string& program, char* const* argv, const char* folder, int out,
                         int err) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err >= 0 ? err : null, STDERR_FILENO);
  if (!folder || ::chdir(folder) == 0) ::execv(program.c_str(), argv);
  // Unlike strerror it may be called here: it takes no lock and no memory.
  const char* reason = ::strerrordesc_np(errno);
  for (const char* part : {program.c_str(), " cannot be started: ", reason, "\n"}) {
    if (::write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
  }
  ::_exit(127);
}

ProcessEnd decoded(int status) {
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

pid_t wait_for(pid_t pid, int& status, int flags) {
  pid_t ended = 0;
  do ended = ::waitpid(pid, &status, flags);
  while (ended < 0 && errno == EINTR);
  return ended;
}

IoError failure(const std::string& what) { return IoError(what + ": " + std::strerror(errno)); }

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

int FileDescriptor::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

void FileDescriptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                 const std::filesystem::path& folder, int log) {
  const std::string path = program.string(), where = folder.string();
  const std::vector<char*> argv = argument_vector(path, arguments);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw failure(path + ": no process can be made");
  if (pid_ > 0) return;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  become(path, argv.data(), where.empty() ? nullptr : where.c_str(), log, log);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  wait_for(pid_, status, 0);
}

std::optional<ProcessEnd> Process::poll() {
  int status = 0;
  const pid_t ended = wait_for(pid_, status, WNOHANG);
  if (ended == 0) return std::nullopt;
  if (ended < 0) throw failure("a child process cannot be waited for");
  pid_ = 0;
  return decoded(status);
}

void Process::terminate() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

void Process::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

std::string output_of(const std::filesystem::path& program, const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw failure("no pipe can be made");
  FileDescriptor read_end(ends[0]), write_end(ends[1]);
  const std::string path = program.string();
  const std::vector<char*> argv = argument_vector(path, arguments);
  const pid_t pid = ::fork();
  if (pid < 0) throw failure(path + ": no process can be made");
  if (pid == 0) become(path, argv.data(), nullptr, write_end.get(), -1);
  write_end.close();
  std::string out;
  char buffer[4096];
  for (;;) {
    const ssize_t bytes = ::read(read_end.get(), buffer, sizeof buffer);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break;
    out.append(buffer, static_cast<std::size_t>(bytes));
  }
  int status = 0;
  wait_for(pid, status, 0);
  if (const ProcessEnd end = decoded(status); end.status != 0 || end.signal != 0)
    throw IoError(path + " " + arguments.front() + ": expected exit status 0, found " +
                  (end.signal ? "signal " + std::to_string(end.signal) : std::to_string(end.status)) +
                  "; is it a program of apiq?");
  return out;
}

std::optional<FileDescriptor> open_locked(const std::filesystem::path& path, bool shared) {
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.get() < 0) throw failure(path.string() + ": cannot be opened for writing");
  if (::flock(file.get(), (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK) throw failure(path.string() + ": cannot be locked");
  return std::nullopt;
}

}  // namespace apiq
