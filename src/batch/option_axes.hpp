// Options as a manifest gives them: each has one value, or several, and then there is a job for each.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "batch/manifest_value.hpp"
#include "batch/program_options.hpp"

namespace apiq {

/// The words after --name: none for a flag, several for a list. No value at all: the option is not given
/// (null, or a flag's false).
using OptionWords = std::optional<std::vector<std::string>>;
using OptionAxes =
    std::map<std::string, std::vector<OptionWords>>;        // by long name; each has at least one alternative
using OptionSettings = std::map<std::string, OptionWords>;  // one alternative each

/// Reads every member of `object` except `own` (keys that are not options). Throws FormatError: not an option
/// of the program, an option that the batch sets itself, or a value of a kind that the option does not take.
OptionAxes read_axes(const ManifestValue& object, const std::string& program, const OptionTable& table,
                     const std::vector<std::string>& own);

/// As read_axes where alternatives make no sense.
OptionSettings read_settings(const ManifestValue& object, const std::string& program,
                             const OptionTable& table, const std::vector<std::string>& own);

/// "--bits", "2", "--symmetric": every option that is given, by name.
std::vector<std::string> command_words(const OptionSettings& settings);

/// "2", "a b" for the table; a flag is "true".
std::string settings_text(const std::vector<std::string>& words);

}  // namespace apiq
