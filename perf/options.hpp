// Command line of every benchmark, and what it decides for the whole program: length of samples and where
// result lines go.
#pragma once
#include <string>
#include <string_view>

namespace apiq::perf {

struct Options {
  int rounds = 9;
  std::string filter;  // only cases whose name contains it
  std::string output;  // JSON lines are appended here; empty: standard output
  bool quick = false;  // three rounds of short samples: does it run, and roughly how fast

  bool wants(std::string_view case_name) const { return case_name.find(filter) != std::string_view::npos; }
};

/// [--rounds N] [--filter PART] [--output FILE] [--quick]; further names with one value each are the
/// benchmark's own: read them with value_of. Prints usage and exits with 2 on anything else. Opens `output`,
/// remembers the command for print(), sets the length of samples.
Options parse_options(int argc, char** argv, std::string_view own_options = "");

/// The value behind an option of the benchmark's own, or fallback.
std::string value_of(int argc, char** argv, std::string_view name, std::string_view fallback);

/// The command as it was typed, without --output.
const std::string& command_line();

}  // namespace apiq::perf
