// The runner itself (its functions are in command.hpp) and what tells a test that it works: programs whose
// outcome is known.
#include "e2e/command.hpp"
#include "support/paths.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace apiq::testing {

namespace fs = std::filesystem;

namespace {

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  void close_end(int i) {
    if (ends[i] >= 0) ::close(ends[i]);
    ends[i] = -1;
  }
};

/// In the child: never returns.
[[noreturn]] void become(const std::string& path, const std::vector<std::string>& arguments,
                         const RunOptions& options, const Pipe& out, const Pipe& err) {
  int output = out.ends[1];
  if (!options.standard_output.empty())
    output = ::open(options.standard_output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(err.ends[1], STDERR_FILENO);
  for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
  // Kernels compiled once serve every run; nothing lands outside the build tree.
  ::setenv("POCL_CACHE_DIR", fs::absolute(APIQ_BINARY_DIR "/pocl-cache").c_str(), 0);
  ::setenv("APIQ_CACHE_DIR", fs::absolute(APIQ_BINARY_DIR "/apiq-cache").c_str(), 0);
  if (!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) ::_exit(126);
  if (options.file_size_limit) {
    const rlimit limit{options.file_size_limit, options.file_size_limit};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);
  }
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(path.c_str(), argv.data());
  ::_exit(127);
}

/// Appends what is there; closes the end at end of file.
void take(Pipe& pipe, std::string& text) {
  char buffer[4096];
  const ssize_t count = ::read(pipe.ends[0], buffer, sizeof buffer);
  if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
  else pipe.close_end(0);
}

void watch(pid_t child, Pipe& out, Pipe& err, const RunOptions& options, Outcome& outcome) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds);
  bool interrupted = options.interrupt_at.empty();
  std::chrono::steady_clock::time_point signalled;
  const auto appeared = [&](const std::string& text) {
    return text.find(options.interrupt_at) != std::string::npos;
  };
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    pollfd waits[2] = {{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}};
    ::poll(waits, 2, 100);
    if (waits[0].revents) take(out, outcome.out);
    if (waits[1].revents) take(err, outcome.err);
    if (!interrupted && (appeared(outcome.err) || appeared(outcome.out))) {
      ::kill(child, options.signal);
      interrupted = true;
      signalled = std::chrono::steady_clock::now();
    }
    if (std::chrono::steady_clock::now() > deadline) {
      outcome.timed_out = true;
      ::kill(child, SIGKILL);
      return;
    }
  }
  outcome.seconds_after_interrupt =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - signalled).count();
}

}  // namespace

Outcome run(const std::string& program, const std::vector<std::string>& arguments,
            const RunOptions& options) {
  const std::string path = fs::absolute(std::string(APIQ_BINARY_DIR "/bin/") + program).string();
  Pipe out, err;
  const pid_t child = ::fork();
  if (child == 0) become(path, arguments, options, out, err);
  if (child < 0) throw std::runtime_error("fork failed");
  out.close_end(1);
  err.close_end(1);
  Outcome outcome;
  watch(child, out, err, options, outcome);
  int status = 0;
  ::waitpid(child, &status, 0);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(line);
  return out;
}

TEST(Command, ReportsAMissingProgramAndSplitsLines) {
  EXPECT_EQ(run("no-such-program", {}).status, 127);
  EXPECT_EQ(lines("a\nb\n"), (std::vector<std::string>{"a", "b"}));
}

TEST(Command, StandardOutputThatCannotBeWrittenIsAFailure) {
  RunOptions options;
  options.standard_output = "/dev/full";
  const Outcome outcome = run("apiq-quantize", {"--help"}, options);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "apiq-quantize: error: standard output cannot be written\n");
}

}  // namespace apiq::testing
