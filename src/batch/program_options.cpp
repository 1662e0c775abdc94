#include "batch/program_options.hpp"

#include "apiq/error.hpp"
#include "apiq/option_description.hpp"
#include "batch/process.hpp"

namespace apiq {

namespace {

OptionTable table_of(const std::vector<OptionDescription>& options) {
  OptionTable out;
  for (const OptionDescription& option : options)
    if (!option.positional)
      out[option.name] = option.type == "switch" ? OptionKind::flag
                         : option.list           ? OptionKind::list
                                                 : OptionKind::value;
  return out;
}

}  // namespace

DescribedProgram describe_program(const std::filesystem::path& path) {
  DescribedProgram out;
  out.program.path = path;
  const std::string version = output_of(path, {"--version"}), described = output_of(path, {"--describe"});
  out.program.version = version.substr(0, version.find('\n'));
  if (out.program.version.empty() || described.empty())
    throw IoError(
        path.string() +
        ": expected a program of apiq that answers --version and --describe, found one that does not");
  out.options = table_of(read_description(described, path.string() + " --describe"));
  out.program.can_restart = out.options.count("restart") != 0;
  return out;
}

}  // namespace apiq
