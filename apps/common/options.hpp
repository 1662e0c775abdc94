// The options of a program: bound to the fields that options structs list (apiq/fields.hpp), shown by --help
// and
// --describe with their defaults. Read from the command line and from the file named by --config (`key =
// value`); the command line wins. Boost stays behind parse_options.cpp.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "apiq/option_description.hpp"
#include "common/value_text.hpp"

namespace apiq::apps {

struct Option : OptionDescription {
  std::function<void(const std::string&)>
      set;  // throws UsageError or InvalidArgument for a value it does not take
  bool is_switch = false, writes = false, instead = false;
  bool given = false;
  std::string last_value;
};

class Options {
 public:
  /// summary: one line; usage: "--model DIR --output FILE.h5 [options]".
  Options(std::string program, std::string summary, std::string usage);

  /// Every field that T lists sets the same field of `target`, whose present value is the default. A name
  /// that is known already sets both fields. method: the quantization method that these fields belong to.
  template <class T>
  Options& fields(T& target, std::string_view method = {}) {
    T::fields([&](auto member, const Field& field) {
      auto& value = target.*member;
      add(description_of(field, value), field, method,
          [&value, field](const std::string& text) { set_value(value, text, field); });
    });
    return *this;
  }
  /// What a text option can be, for --help and --describe; checked where it is used.
  Options& choices(const std::string& name, std::vector<std::string> choices);

  /// Sets the targets. Throws UsageError.
  void parse(int argc, const char* const* argv);
  bool given(const std::string& name) const;
  bool wants_help() const { return settings_.help; }
  bool wants_version() const { return settings_.version; }
  bool wants_description() const { return settings_.describe; }

  /// Options that were given although this method does not use them.
  std::vector<const Option*> unused_by(std::string_view method) const;
  /// Files that the options given name for writing.
  std::vector<std::filesystem::path> outputs() const;

  const std::string& program() const { return program_; }
  std::string help_text() const;
  std::string description() const;

 private:
  struct Assignment {
    std::string name;  // empty: an argument without a name
    std::vector<std::string> values;
  };
  struct Settings {
    bool help = false, version = false, describe = false;
    std::filesystem::path config;
    template <class Visit>
    static void fields(Visit&& visit);
  };

  template <class V>
  static OptionDescription description_of(const Field& field, const V& value) {
    OptionDescription out;
    out.type = type_name<V>(field);
    out.choices = choices_of<V>(field);
    out.default_text =
        field.default_words.empty() ? value_text(value, field) : std::string(field.default_words);
    out.list = std::is_same_v<V, std::vector<std::filesystem::path>> ||
               std::is_same_v<V, std::vector<ModuleOverride>>;
    return out;
  }
  void add(OptionDescription description, const Field& field, std::string_view method,
           std::function<void(const std::string&)> set);

  // parse_options.cpp, the only file that includes Boost.
  std::vector<Assignment> read_command_line(int argc, const char* const* argv) const;
  std::vector<Assignment> read_config(const std::filesystem::path& path) const;

  Option* find(const std::string& name);
  void assign(const std::vector<Assignment>& assignments, const std::string& where);
  void assign_unnamed(const Assignment& assignment);
  void assign_one(Option& option, const std::vector<std::string>& values, const std::string& label);
  void check_required() const;

  std::string program_, summary_, usage_;
  std::vector<Option> options_;
  Settings settings_;
};

}  // namespace apiq::apps
