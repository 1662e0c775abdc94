#include "common/options.hpp"

#include <algorithm>
#include <array>

#include "apiq/error.hpp"

namespace apiq::apps {

namespace {

constexpr std::size_t kNameColumn = 32, kWidth = 110;

/// Words of `text` in lines that start at kNameColumn; the first line continues what is already there.
std::string wrapped(const std::string& text) {
  std::string out;
  std::size_t column = kNameColumn, begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    if (column > kNameColumn && column + 1 + (end - begin) > kWidth) {
      out += '\n' + std::string(kNameColumn, ' ');
      column = kNameColumn;
    } else if (column > kNameColumn) {
      out += ' ';
      ++column;
    }
    out += text.substr(begin, end - begin);
    column += end - begin;
    begin = end + 1;
  }
  return out;
}

std::string label_of(const Option& option) {
  if (option.positional) return option.name;
  return "--" + option.name + (option.placeholder.empty() ? "" : " " + option.placeholder);
}

std::string help_line(const Option& option) {
  std::string left = "  " + label_of(option);
  if (option.list) left += "...";
  std::string right = option.help;
  if (option.required) right += " (required)";
  if (!option.default_text.empty()) right += " [" + option.default_text + "]";
  left += left.size() + 2 <= kNameColumn ? std::string(kNameColumn - left.size(), ' ')
                                         : "\n" + std::string(kNameColumn, ' ');
  return left + wrapped(right) + "\n";
}

/// Groups of every program stand below its own.
constexpr std::array<std::string_view, 3> kCommonGroups = {"Device and memory", "Result and log", "Help"};

std::vector<std::string> groups_in_order(const std::vector<Option>& options) {
  std::vector<std::string> out;
  for (const Option& option : options)
    if (std::find(out.begin(), out.end(), option.group) == out.end()) out.push_back(option.group);
  std::stable_sort(out.begin(), out.end(), [](const std::string& a, const std::string& b) {
    const auto place = [](const std::string& group) {
      return std::find(kCommonGroups.begin(), kCommonGroups.end(), group) - kCommonGroups.begin();
    };
    const auto own = static_cast<std::ptrdiff_t>(kCommonGroups.size());
    const auto rank = [&](const std::string& group) { return place(group) == own ? -1 : place(group); };
    return rank(a) < rank(b);
  });
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "|") + part;
  return out;
}

}  // namespace

template <class Visit>
void Options::Settings::fields(Visit&& visit) {
  using S = Settings;
  constexpr const char* kGroup = "Help";
  visit(&S::help, Field{.name = "help", .help = "show this text", .group = kGroup, .instead = true});
  visit(&S::version, Field{.name = "version",
                           .help = "show version, commit and the libraries this build stands on",
                           .group = kGroup,
                           .instead = true});
  visit(&S::describe,
        Field{.name = "describe", .help = "print every option as JSON", .group = kGroup, .instead = true});
  visit(&S::config, Field{.name = "config",
                          .placeholder = "FILE",
                          .help = "read options from a file of lines `key = value`; the command line wins",
                          .group = kGroup});
}

Options::Options(std::string program, std::string summary, std::string usage)
    : program_(std::move(program)), summary_(std::move(summary)), usage_(std::move(usage)) {
  fields(settings_);
}

void Options::add(OptionDescription description, const Field& field, std::string_view method,
                  std::function<void(const std::string&)> set) {
  if (Option* known = find(std::string(field.name)); known != nullptr) {
    known->set = [first = known->set, second = std::move(set)](const std::string& text) {
      first(text);
      second(text);
    };
    if (!method.empty()) known->methods.emplace_back(method);
    return;
  }
  Option option;
  static_cast<OptionDescription&>(option) = std::move(description);
  option.name = field.name;
  option.placeholder = field.placeholder;
  option.help = field.help;
  option.group = field.group;
  option.required = field.required;
  option.positional = field.positional;
  option.writes = field.writes;
  option.instead = field.instead;
  option.is_switch = option.type == "switch";
  if (option.placeholder.empty()) option.placeholder = joined(option.choices);
  if (!method.empty()) option.methods.emplace_back(method);
  option.set = std::move(set);
  options_.push_back(std::move(option));
}

Options& Options::choices(const std::string& name, std::vector<std::string> choices) {
  find(name)->choices = std::move(choices);
  return *this;
}

Option* Options::find(const std::string& name) {
  const auto it = std::find_if(options_.begin(), options_.end(),
                               [&](const Option& option) { return option.name == name; });
  return it == options_.end() ? nullptr : &*it;
}

bool Options::given(const std::string& name) const {
  return std::any_of(options_.begin(), options_.end(),
                     [&](const Option& option) { return option.name == name && option.given; });
}

void Options::assign_one(Option& option, const std::vector<std::string>& values, const std::string& label) {
  if (option.given && !option.list) throw UsageError(label + " is given twice");
  if (values.empty() && !option.is_switch) throw UsageError(label + " needs a value");
  try {
    if (values.empty()) option.set("true");
    for (const std::string& value : values) option.set(value);
  } catch (const InvalidArgument& error) {
    throw UsageError(label + ": " + error.what());
  } catch (const UsageError& error) {
    throw UsageError(label + ": " + error.what());
  }
  option.given = true;
  if (!values.empty()) option.last_value = values.back();
}

void Options::assign_unnamed(const Assignment& assignment) {
  const std::string& word = assignment.values.front();
  if (word == "-h") {
    settings_.help = true;
    return;
  }
  const auto slot =
      std::find_if(options_.begin(), options_.end(), [](const Option& o) { return o.positional; });
  if ((word.size() > 1 && word[0] == '-') || slot == options_.end() || slot->given)
    throw UsageError("unexpected argument '" + word + "'; see " + program_ + " --help");
  assign_one(*slot, assignment.values, slot->name);
}

void Options::assign(const std::vector<Assignment>& assignments, const std::string& where) {
  const bool from_file = !where.empty();
  // A file fills in what the command line left open; within one source nothing but a list may come twice.
  std::vector<const Option*> settled;
  for (const Option& option : options_) {
    if (option.given) settled.push_back(&option);
  }
  for (const Assignment& assignment : assignments) {
    Option* option = assignment.name.empty() ? nullptr : find(assignment.name);
    if (option == nullptr && from_file)
      throw UsageError(where + ": unknown key '" + assignment.name + "'; the keys are the long options of " +
                       program_ + " --help");
    if (option == nullptr) assign_unnamed(assignment);
    else if (std::find(settled.begin(), settled.end(), option) == settled.end() || !from_file)
      assign_one(*option, assignment.values, from_file ? where + ": " + option->name : "--" + option->name);
  }
}

void Options::check_required() const {
  if (std::any_of(options_.begin(), options_.end(), [](const Option& o) { return o.instead && o.given; }))
    return;
  for (const Option& option : options_)
    if (option.required && !option.given)
      throw UsageError(label_of(option) + " is missing; see " + program_ + " --help");
}

void Options::parse(int argc, const char* const* argv) {
  assign(read_command_line(argc, argv), {});
  // Asked for even if the rest is incomplete.
  if (wants_help() || wants_version() || wants_description()) return;
  if (!settings_.config.empty()) assign(read_config(settings_.config), settings_.config.string());
  check_required();
}

std::vector<const Option*> Options::unused_by(std::string_view method) const {
  std::vector<const Option*> out;
  for (const Option& option : options_)
    if (option.given && !option.methods.empty() &&
        std::find(option.methods.begin(), option.methods.end(), method) == option.methods.end())
      out.push_back(&option);
  return out;
}

std::vector<std::filesystem::path> Options::outputs() const {
  std::vector<std::filesystem::path> out;
  for (const Option& option : options_)
    if (option.given && option.writes) out.emplace_back(option.last_value);
  return out;
}

std::string Options::help_text() const {
  std::string out = program_ + ": " + summary_ + "\nUsage: " + program_ + " " + usage_ + "\n";
  for (const std::string& title : groups_in_order(options_)) {
    out += "\n" + title + "\n";
    for (const Option& option : options_) {
      if (option.group == title) out += help_line(option);
    }
  }
  return out;
}

std::string Options::description() const {
  return description_json(program_, summary_, usage_, {options_.begin(), options_.end()});
}

}  // namespace apiq::apps
