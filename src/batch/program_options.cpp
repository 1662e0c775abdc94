#include "batch/program_options.hpp"

#include <algorithm>

#include "apiq/error.hpp"
#include "batch/process.hpp"

namespace apiq {

OptionTable parse_help(std::string_view text) {
  OptionTable out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.substr(0, 4) != "  --") continue;
    line = line.substr(
        4, std::min(line.find("  ", 4), line.size()) - 4);  // two spaces end the name and its placeholder
    const std::size_t space = std::min(line.find(' '), line.size());
    const bool is_list = line.size() > 3 && line.substr(line.size() - 3) == "...";
    out[std::string(line.substr(0, space))] = space == line.size() ? OptionKind::flag
                                              : is_list            ? OptionKind::list
                                                                   : OptionKind::value;
  }
  return out;
}

DescribedProgram describe_program(const std::filesystem::path& path) {
  DescribedProgram out;
  out.program.path = path;
  const std::string version = output_of(path, {"--version"});
  out.program.version = version.substr(0, version.find('\n'));
  out.options = parse_help(output_of(path, {"--help"}));
  out.program.can_restart = out.options.count("restart") != 0;
  if (out.program.version.empty() || out.options.empty())
    throw IoError(path.string() +
                  ": expected a program of apiq that answers --version and --help, found one that does not");
  return out;
}

}  // namespace apiq
