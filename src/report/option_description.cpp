#include "apiq/option_description.hpp"

#include <nlohmann/json.hpp>

#include "apiq/error.hpp"
#include "apiq/version.hpp"
#include "util/json.hpp"

namespace apiq {

namespace {

nlohmann::ordered_json option_json(const OptionDescription& o) {
  return {{"name", o.name},
          {"type", o.type},
          {"placeholder", o.placeholder},
          {"help", o.help},
          {"group", o.group},
          {"default",
           o.default_text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(o.default_text)},
          {"required", o.required},
          {"list", o.list},
          {"positional", o.positional},
          {"choices", o.choices},
          {"methods", o.methods}};
}

OptionDescription option_of(const nlohmann::json& json) {
  OptionDescription out;
  out.name = json.at("name").get<std::string>();
  out.type = json.at("type").get<std::string>();
  out.placeholder = json.value("placeholder", "");
  out.help = json.value("help", "");
  out.group = json.value("group", "");
  if (json.contains("default") && !json.at("default").is_null())
    out.default_text = json.at("default").get<std::string>();
  out.required = json.value("required", false);
  out.list = json.value("list", false);
  out.positional = json.value("positional", false);
  out.choices = json.value("choices", out.choices);
  out.methods = json.value("methods", out.methods);
  return out;
}

}  // namespace

std::string description_json(const std::string& program, const std::string& summary, const std::string& usage,
                             const std::vector<OptionDescription>& options) {
  nlohmann::ordered_json out = {{"program", program}, {"version", version()}, {"commit", commit()},
                                {"summary", summary}, {"usage", usage},       {"options", {}}};
  for (const OptionDescription& option : options) out["options"].push_back(option_json(option));
  return out.dump(2);
}

std::vector<OptionDescription> read_description(const std::string& text, const std::string& source) {
  std::vector<OptionDescription> out;
  try {
    const nlohmann::json root = parse_json(text, source);  // a temporary would not outlive the loop's head
    for (const nlohmann::json& option : root.at("options")) out.push_back(option_of(option));
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(source + ": expected a description of options, found something else: " + error.what());
  }
  return out;
}

}  // namespace apiq
