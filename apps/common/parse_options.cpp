// Splitting a command line and a configuration file into names and values: all that Boost.Program_options
// does for us.
#include <boost/program_options.hpp>
#include <fstream>

#include "common/options.hpp"

namespace apiq::apps {

namespace po = boost::program_options;

namespace {

po::options_description described(const std::vector<Option>& options) {
  po::options_description out;
  for (const Option& option : options) {
    if (option.positional) continue;  // no name to type
    if (option.is_switch) {
      out.add_options()(option.name.c_str(), "");
    } else if (option.list) {
      out.add_options()(option.name.c_str(), po::value<std::vector<std::string>>()->multitoken(), "");
    } else {
      out.add_options()(option.name.c_str(), po::value<std::string>(), "");
    }
  }
  return out;
}

}  // namespace

std::vector<Options::Assignment> Options::read_command_line(int argc, const char* const* argv) const {
  const po::options_description description = described(options_);
  // Long options only and spelled out: an abbreviation would change its meaning when an option is added, and
  // without short options a value such as -1 needs no quoting.
  using namespace po::command_line_style;
  const int style = allow_long | long_allow_adjacent | long_allow_next;
  std::vector<Assignment> out;
  try {
    const auto parsed = po::command_line_parser(argc, argv).options(description).style(style).run();
    for (const auto& option : parsed.options)
      out.push_back({option.position_key >= 0 ? "" : option.string_key, option.value});
  } catch (const po::error& error) {
    throw UsageError(std::string(error.what()) + "; see " + program_ + " --help");
  }
  return out;
}

std::vector<Options::Assignment> Options::read_config(const std::filesystem::path& path) const {
  std::ifstream file(path);
  if (!file) throw UsageError("--config: " + path.string() + " cannot be read");
  std::vector<Assignment> out;
  try {
    const auto parsed = po::parse_config_file(file, po::options_description(), /*allow_unregistered=*/true);
    for (const auto& option : parsed.options) out.push_back({option.string_key, option.value});
  } catch (const po::error& error) {
    throw UsageError("--config: " + path.string() + ": " + error.what());
  }
  return out;
}

}  // namespace apiq::apps
