// The options a program takes, as it describes them itself, so that a manifest is checked before anything
// runs and a new option needs no change here.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "apiq/batch.hpp"

namespace apiq {

enum class OptionKind { flag, value, list };
using OptionTable = std::map<std::string, OptionKind>;  // by long name

struct DescribedProgram {
  BatchProgram program;
  OptionTable options;
};

/// Asks the program itself (--version, --describe). Throws IoError if it cannot be run or does not answer,
/// FormatError if what it answers is no description.
DescribedProgram describe_program(const std::filesystem::path& path);

}  // namespace apiq
