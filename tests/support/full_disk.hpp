// Runs an action in a child whose files may not grow past a limit: its writes fail just as on a full disk,
// without needing one.
#pragma once
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "apiq/error.hpp"

namespace apiq::test {

/// 0 if the action threw an IoError of one line that starts with `path`, names no temporary file and gives
/// the system's reason.
template <class Action>
int status_on_full_disk(const std::filesystem::path& path, rlim_t bytes, Action&& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // a hang is a failure
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    try {
      action();
    } catch (const IoError& error) {
      const std::string text = error.what();
      code = text.find(path.string()) == 0 && text.find(".tmp") == std::string::npos &&
                     text.find("File too large") != std::string::npos && text.find('\n') == std::string::npos
                 ? 0
                 : 2;
    } catch (...) {
      code = 3;
    }
    std::exit(code);  // runs HDF5's own exit handler, which meets the same full disk
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

}  // namespace apiq::test
