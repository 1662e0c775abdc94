#include "common/options.hpp"

#include <algorithm>

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

std::string help_line(const Option& option) {
  const bool positional = option.name == option.placeholder;
  std::string left =
      "  " + (positional ? option.placeholder
                         : "--" + option.name + (option.is_flag ? "" : " " + option.placeholder));
  if (option.is_list) left += "...";
  std::string right = option.help;
  if (option.required) right += " (required)";
  if (!option.shown_default.empty()) right += " [" + option.shown_default + "]";
  // Two spaces or a line end after the placeholder: apiq-batch reads the options of the other programs from
  // here.
  left += left.size() + 2 <= kNameColumn ? std::string(kNameColumn - left.size(), ' ')
                                         : "\n" + std::string(kNameColumn, ' ');
  return left + wrapped(right) + "\n";
}

}  // namespace

Options::Options(std::string program, std::string summary, std::string usage)
    : program_(std::move(program)), summary_(std::move(summary)), usage_(std::move(usage)) {
  group("Help");
  flag("help", help_, "show this text");
  flag("version", version_, "show version, commit and the libraries this build stands on");
  value("config", "FILE", config_, "read options from a file of lines `key = value`; the command line wins");
}

Options& Options::group(std::string title) {
  group_ = std::move(title);
  return *this;
}

Options& Options::flag(const std::string& name, bool& target, const std::string& help) {
  custom(
      name, "",
      [&target](const std::string& text) {
        if (text != "true" && text != "false")
          throw UsageError("expected true or false, found '" + text + "'");  // only a file can say so
        target = text == "true";
      },
      help);
  options_.back().is_flag = true;
  return *this;
}

Options& Options::custom(const std::string& name, const std::string& placeholder,
                         std::function<void(const std::string&)> set, const std::string& help,
                         std::string shown_default) {
  Option option;
  option.group = group_;
  option.name = name;
  option.placeholder = placeholder;
  option.help = help;
  option.shown_default = std::move(shown_default);
  option.set = std::move(set);
  options_.push_back(std::move(option));
  return *this;
}

Options& Options::list(const std::string& name, const std::string& placeholder,
                       std::vector<std::filesystem::path>& target, const std::string& help) {
  custom(
      name, placeholder,
      [&target](const std::string& text) {
        std::filesystem::path path;
        parse_value(text, path);
        target.push_back(path);
      },
      help);
  options_.back().is_list = true;
  return *this;
}

Options& Options::positional(const std::string& placeholder, std::filesystem::path& target,
                             const std::string& help) {
  return value(placeholder, placeholder, target, help).required();
}

Options& Options::required() {
  options_.back().required = true;
  return *this;
}

Options& Options::repeatable() {
  options_.back().is_list = true;
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
  if (option.given && !option.is_list) throw UsageError(label + " is given twice");
  if (values.empty() && !option.is_flag) throw UsageError(label + " needs a value");
  try {
    if (values.empty()) option.set("true");
    for (const std::string& value : values) option.set(value);
  } catch (const InvalidArgument& error) {
    throw UsageError(label + ": " + error.what());
  } catch (const UsageError& error) {
    throw UsageError(label + ": " + error.what());
  }
  option.given = true;
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
    if (!option && from_file)
      throw UsageError(where + ": unknown key '" + assignment.name + "'; the keys are the long options of " +
                       program_ + " --help");
    if (!option) {  // an argument without a name
      const std::string& word = assignment.values.front();
      if (word == "-h") {
        help_ = true;
        continue;
      }
      const auto slot = std::find_if(options_.begin(), options_.end(),
                                     [](const Option& o) { return o.name == o.placeholder; });
      if ((word.size() > 1 && word[0] == '-') || slot == options_.end() || slot->given) {
        throw UsageError("unexpected argument '" + word + "'; see " + program_ + " --help");
      }
      assign_one(*slot, assignment.values, slot->placeholder);
      continue;
    }
    if (from_file && std::find(settled.begin(), settled.end(), option) != settled.end()) continue;
    assign_one(*option, assignment.values, from_file ? where + ": " + option->name : "--" + option->name);
  }
}

void Options::check_required() const {
  for (const Option& option : options_) {
    if (!option.required || option.given) continue;
    const std::string label = option.name == option.placeholder
                                  ? option.placeholder
                                  : "--" + option.name + " " + option.placeholder;
    throw UsageError(label + " is missing; see " + program_ + " --help");
  }
}

void Options::parse(int argc, const char* const* argv) {
  assign(read_command_line(argc, argv), {});
  if (help_ || version_) return;  // asked for even if the rest is incomplete
  if (!config_.empty()) assign(read_config(config_), config_.string());
  check_required();
}

std::string Options::help_text() const {
  std::string out = program_ + ": " + summary_ + "\nUsage: " + program_ + " " + usage_ + "\n";
  std::vector<std::string> groups;
  for (const Option& option : options_) {
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) groups.push_back(option.group);
  }
  std::rotate(groups.begin(), groups.begin() + 1, groups.end());  // "Help", declared first, is shown last
  for (const std::string& title : groups) {
    out += "\n" + title + "\n";
    for (const Option& option : options_) {
      if (option.group == title) out += help_line(option);
    }
  }
  return out;
}

}  // namespace apiq::apps
