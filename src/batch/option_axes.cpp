#include "batch/option_axes.hpp"

#include <algorithm>

#include "util/text.hpp"

namespace apiq {

namespace {

/// What apiq-batch gives to every step, and options that would make a step do something else than its job.
bool is_reserved(const std::string& option) {
  static const std::vector<std::string> kReserved = {"output",  "json",         "device",  "help",
                                                     "version", "list-methods", "dry-run", "restart"};
  return std::find(kReserved.begin(), kReserved.end(), option) != kReserved.end();
}

std::string word_of(const ManifestValue& value) {
  const nlohmann::json& json = value.json();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number()) return json.dump();  // shortest text that reads back the same
  throw value.mismatch("a text or a number");
}

OptionWords words_of(const ManifestValue& value, OptionKind kind) {
  if (value.json().is_null()) return std::nullopt;
  if (kind == OptionKind::flag)
    return value.boolean() ? OptionWords(std::vector<std::string>{}) : std::nullopt;
  if (kind == OptionKind::value) return std::vector<std::string>{word_of(value)};
  std::vector<std::string> out;
  for (const ManifestValue& item : value.items_or_self()) out.push_back(word_of(item));
  return out;
}

/// A list is an axis; for an option that takes several values only a list of lists is one.
bool is_axis(const nlohmann::json& json, OptionKind kind) {
  if (!json.is_array()) return false;
  return kind != OptionKind::list ||
         std::any_of(json.begin(), json.end(), [](const nlohmann::json& item) { return item.is_array(); });
}

}  // namespace

OptionAxes read_axes(const ManifestValue& object, const std::string& program, const OptionTable& table,
                     const std::vector<std::string>& own) {
  OptionAxes out;
  for (const std::string& name : object.members()) {
    if (std::find(own.begin(), own.end(), name) != own.end()) continue;
    const ManifestValue value = object.at(name);
    if (is_reserved(name))
      throw value.error("apiq-batch sets --" + name +
                        " itself; the keys 'output' and 'devices' belong to the whole manifest");
    const auto option = table.find(name);
    if (option == table.end()) {
      throw value.error("unknown key: not an option of apiq-" + program +
                        (own.empty() ? "" : ", and not one of " + join(own, ", ")) + "; see apiq-" + program +
                        " --help");
    }
    std::vector<OptionWords>& alternatives = out[name];
    const bool axis = is_axis(value.json(), option->second);
    for (const ManifestValue& item : axis ? value.items() : std::vector<ManifestValue>{value})
      alternatives.push_back(words_of(item, option->second));
  }
  return out;
}

OptionSettings read_settings(const ManifestValue& object, const std::string& program,
                             const OptionTable& table, const std::vector<std::string>& own) {
  OptionSettings out;
  for (auto& [name, alternatives] : read_axes(object, program, table, own)) {
    if (alternatives.size() != 1) throw object.at(name).mismatch("one value here");
    out[name] = std::move(alternatives.front());
  }
  return out;
}

std::vector<std::string> command_words(const OptionSettings& settings) {
  std::vector<std::string> out;
  for (const auto& [name, words] : settings) {
    if (!words) continue;
    out.push_back("--" + name);
    out.insert(out.end(), words->begin(), words->end());
  }
  return out;
}

std::string settings_text(const std::vector<std::string>& words) {
  return words.empty() ? "true" : join(words, " ");
}

}  // namespace apiq
