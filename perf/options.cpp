#include "options.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "result.hpp"
#include "timing.hpp"

namespace apiq::perf {

namespace {

std::string& command() {
  static std::string text;
  return text;
}

/// Is `name` a word of the space-separated list?
bool listed(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == name) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

/// Where lines go is no part of how they came about.
std::string without_output(int argc, char** argv) {
  std::string text = argv[0];
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--output") ++i;
    else text += " " + std::string(argv[i]);
  }
  return text;
}

[[noreturn]] void usage(const char* program, std::string_view own_options) {
  std::string more;
  while (!own_options.empty()) {
    const std::size_t end = std::min(own_options.find(' '), own_options.size());
    more += " [" + std::string(own_options.substr(0, end)) + " VALUE]";
    own_options.remove_prefix(std::min(end + 1, own_options.size()));
  }
  std::fprintf(stderr, "usage: %s [--rounds N] [--filter PART_OF_A_CASE_NAME] [--output FILE] [--quick]%s\n",
               program, more.c_str());
  std::exit(2);
}

}  // namespace

const std::string& command_line() { return command(); }

std::string value_of(int argc, char** argv, std::string_view name, std::string_view fallback) {
  for (int i = 1; i + 1 < argc; ++i)
    if (argv[i] == name) return argv[i + 1];
  return std::string(fallback);
}

Options parse_options(int argc, char** argv, std::string_view own_options) {
  Options options;
  int rounds = 0;
  command() = without_output(argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--quick") {
      options.quick = true;
      continue;
    }
    if (i + 1 >= argc) usage(argv[0], own_options);
    const char* value = argv[++i];
    if (name == "--rounds") rounds = std::max(1, std::atoi(value));
    else if (name == "--filter") options.filter = value;
    else if (name == "--output") options.output = value;
    else if (!listed(own_options, name)) usage(argv[0], own_options);
  }
  if (options.quick) {
    options.rounds = 3;
    set_sample_milliseconds(10);
  }
  if (rounds != 0) options.rounds = rounds;
  if (!options.output.empty()) set_output(options.output);
  return options;
}

}  // namespace apiq::perf
