#include "runtime/tuning.hpp"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apiq/error.hpp"
#include "runtime/install_paths.hpp"
#include "util/sha256.hpp"

namespace apiq::runtime {

namespace fs = std::filesystem;

std::string tuning_file_name(const std::string& device_name) {
  std::string out;
  for (const char c : device_name) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!out.empty() && out.back() != '-') out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out + ".json";
}

namespace {

/// The name under which another version of PoCL has the same processor; empty if there is none.
std::string other_name(std::string_view stem) {
  constexpr std::string_view kNames[] = {"pthread-", "cpu-"};
  for (int i = 0; i < 2; ++i)
    if (stem.starts_with(kNames[i]))
      return std::string(kNames[1 - i]) + std::string(stem.substr(kNames[i].size()));
  return {};
}

}  // namespace

fs::path find_tuning_file(const std::vector<fs::path>& folders, const std::string& device_name) {
  std::error_code ignored;
  for (std::string stem = fs::path(tuning_file_name(device_name)).stem().string(); !stem.empty();) {
    for (const std::string& name : {stem, other_name(stem)})
      for (const fs::path& folder : folders)
        if (const fs::path path = folder / (name + ".json");
            !name.empty() && !folder.empty() && fs::is_regular_file(path, ignored))
          return path;
    const auto cut = stem.rfind('-');
    stem.resize(cut == std::string::npos ? 0 : cut);
  }
  return {};
}

TuningData read_tuning_file(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw IoError(path.string() + ": the tuning file cannot be read");
  TuningData out;
  try {
    const auto json = nlohmann::json::parse(file);
    for (const auto& [key, values] : json.at("tunables").items()) {
      out.tunables[key] = values.get<std::map<std::string, int, std::less<>>>();
      for (const auto& [name, value] : out.tunables[key])
        if (value < 1)
          throw FormatError(path.string() + ": " + key + "." + name + " is " + std::to_string(value) +
                            "; expected at least 1");
    }
    for (const auto& [key, value] : json.at("choices").items()) out.choices[key] = value.get<std::string>();
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(path.string() + ": not a tuning file (" + error.what() + "); correct or remove it");
  }
  return out;
}

Tuning::Tuning(const DeviceInfo& info, const Environment& environment)
    : is_cpu_(info.is_cpu), file_(find_tuning_file(tuning_folders(environment), info.name)) {
  if (!file_.empty()) measured_ = read_tuning_file(file_);
  if (environment.preset.empty()) return;
  is_cpu_ = environment.preset == "cpu";
  measured_.tunables.clear();
}

std::string Tuning::fingerprint() const {
  const nlohmann::json settings = {
      {"cpu", is_cpu_}, {"tunables", measured_.tunables}, {"choices", measured_.choices}};
  return sha256_of(settings.dump());
}

void Tuning::set(const std::string& program, const TunedValues& values) {
  if (values.empty()) measured_.tunables.erase(program);
  else measured_.tunables[program] = values;
}

Macros Tuning::values(std::string_view program) const {
  const auto measured = measured_.tunables.find(program);
  Macros out;
  for (const auto& tunable : kernel_spec(program).tunables) {
    int value = is_cpu_ ? tunable.cpu : tunable.gpu;
    if (measured != measured_.tunables.end())
      if (const auto found = measured->second.find(tunable.name); found != measured->second.end())
        value = found->second;
    out.emplace_back(tunable.name, value);
  }
  return out;
}

std::string Tuning::choice(std::string_view key, std::string_view fallback) const {
  const auto found = measured_.choices.find(key);
  return found == measured_.choices.end() ? std::string(fallback) : found->second;
}

int value_of(const Macros& macros, std::string_view name) {
  for (const auto& [key, value] : macros)
    if (key == name) return value;
  throw InvalidArgument("[tuning] there is no value for '" + std::string(name) + "'");
}

}  // namespace apiq::runtime
