// The options a program takes, read from its own --help, so that a manifest is checked before anything runs
// and a new option needs no change here.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "apiq/batch.hpp"

namespace apiq {

enum class OptionKind { flag, value, list };
using OptionTable = std::map<std::string, OptionKind>;  // by long name

/// From lines "  --name PLACEHOLDER  help": no placeholder is a flag, one that ends with "..." a list.
OptionTable parse_help(std::string_view text);

struct DescribedProgram {
  BatchProgram program;
  OptionTable options;
};

/// Asks the program itself (--version, --help). Throws IoError if it cannot be run or does not answer.
DescribedProgram describe_program(const std::filesystem::path& path);

}  // namespace apiq
