// The options of a program as data: what --describe prints, for programs that start programs and for
// bindings.
#pragma once
#include <string>
#include <vector>

namespace apiq {

struct OptionDescription {
  std::string name;  // "group-size", on the command line --group-size
  std::string type;  // switch | integer | number | text | path | size | duration | choice | names | override
  std::string placeholder;  // "N"; empty for a switch
  std::string help, group;
  std::string default_text;          // value or words; empty: none
  std::vector<std::string> choices;  // what it can be; empty: anything of its type
  std::vector<std::string> methods;  // the quantization methods that use it; empty: all
  bool required = false;
  bool list = false;        // several values after one name, and the name several times
  bool positional = false;  // an argument without a name
};

/// A JSON object: program, version, commit, summary, usage, options.
std::string description_json(const std::string& program, const std::string& summary, const std::string& usage,
                             const std::vector<OptionDescription>& options);

/// The options of such a text. `source` is named in errors. Throws FormatError.
std::vector<OptionDescription> read_description(const std::string& text, const std::string& source);

}  // namespace apiq
