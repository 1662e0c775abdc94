// Runs one of the programs as a user would: its own process, its own files, a time limit, and what it
// printed.
#pragma once
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace apiq::testing {

struct RunOptions {
  std::map<std::string, std::string> environment;  // set in the child only
  std::filesystem::path folder;                    // working directory; empty: the test's
  std::uint64_t file_size_limit =
      0;                        // RLIMIT_FSIZE with SIGXFSZ ignored: writing past it fails like a full disk
  std::string interrupt_at;     // `signal` as soon as this appears on standard output or error
  int signal = SIGINT;          // Ctrl-C
  std::string standard_output;  // a file to write to instead of capturing
  int seconds = 120;            // killed after that
};

struct Outcome {
  int status = -1;  // exit status; 128 + signal if a signal ended it
  bool timed_out = false;
  double seconds_after_interrupt = 0;  // until both outputs were closed
  std::string out, err;
};

/// program: "apiq-eval", from the build's bin folder.
Outcome run(const std::string& program, const std::vector<std::string>& arguments,
            const RunOptions& options = {});

std::vector<std::string> lines(const std::string& text);

}  // namespace apiq::testing
