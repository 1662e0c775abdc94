// The options of a program: declared once, bound to the variables they set, shown by --help with their
// defaults. Read from the command line and from the file named by --config (`key = value`); the command line
// wins. Boost stays behind parse_options.cpp.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/value_text.hpp"

namespace apiq::apps {

struct Option {
  std::string group, name, placeholder, help, shown_default;
  std::function<void(const std::string&)>
      set;  // throws UsageError or InvalidArgument for a value it does not take
  bool is_flag = false;
  bool is_list = false;  // several values after one name, and the name several times
  bool required = false;
  bool given = false;
};

class Options {
 public:
  /// summary: one line; usage: "--model DIR --output FILE.h5 [options]".
  Options(std::string program, std::string summary, std::string usage);

  /// Options added from here on are shown under this title.
  Options& group(std::string title);
  Options& flag(const std::string& name, bool& target, const std::string& help);
  /// The target's current value is the default; shown_default says it in words where the value alone would
  /// not ("the method's").
  template <class T>
  Options& value(const std::string& name, const std::string& placeholder, T& target, const std::string& help,
                 std::string shown_default = {}) {
    if (shown_default.empty()) shown_default = default_text(target);
    return custom(
        name, placeholder, [&target](const std::string& text) { parse_value(text, target); }, help,
        std::move(shown_default));
  }
  Options& custom(const std::string& name, const std::string& placeholder,
                  std::function<void(const std::string&)> set, const std::string& help,
                  std::string shown_default = {});
  /// One or more paths.
  Options& list(const std::string& name, const std::string& placeholder,
                std::vector<std::filesystem::path>& target, const std::string& help);
  /// The single argument without a name; required.
  Options& positional(const std::string& placeholder, std::filesystem::path& target, const std::string& help);
  /// The option added last must be given; may be given several times.
  Options& required();
  Options& repeatable();

  /// Sets the targets. Throws UsageError.
  void parse(int argc, const char* const* argv);
  bool given(const std::string& name) const;
  bool wants_help() const { return help_; }
  bool wants_version() const { return version_; }

  const std::string& program() const { return program_; }
  std::string help_text() const;

 private:
  struct Assignment {
    std::string name;  // empty: an argument without a name
    std::vector<std::string> values;
  };
  // parse_options.cpp, the only file that includes Boost.
  std::vector<Assignment> read_command_line(int argc, const char* const* argv) const;
  std::vector<Assignment> read_config(const std::filesystem::path& path) const;

  Option* find(const std::string& name);
  void assign(const std::vector<Assignment>& assignments, const std::string& where);
  void assign_one(Option& option, const std::vector<std::string>& values, const std::string& label);
  void check_required() const;

  std::string program_, summary_, usage_, group_;
  std::vector<Option> options_;
  std::filesystem::path config_;
  bool help_ = false, version_ = false;
};

}  // namespace apiq::apps
