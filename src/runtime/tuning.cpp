#include "runtime/tuning.hpp"

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apiq/error.hpp"
#include "runtime/install_paths.hpp"

namespace apiq::runtime {

namespace fs = std::filesystem;

std::string tuning_file_name(const std::string& device_name) {
  std::string out;
  for (const char c : device_name) {
    if (std::isalnum(static_cast<unsigned char>(c))) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!out.empty() && out.back() != '-') out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out + ".json";
}

Tuning::Tuning(const DeviceInfo& info) : is_cpu_(info.is_cpu) {
  if (const char* preset = std::getenv("APIQ_PRESET")) is_cpu_ = std::string_view(preset) == "cpu";
  const char* folder = std::getenv("APIQ_TUNING_DIR");
  const fs::path path = fs::path(folder != nullptr ? fs::path(folder) : tuning_folder()) / tuning_file_name(info.name);
  std::ifstream file(path);
  if (!file) return;
  try {
    const auto json = nlohmann::json::parse(file);
    for (const auto& [key, values] : json.at("tunables").items()) {
      measured_[key] = values.get<std::map<std::string, int>>();
      for (const auto& [name, value] : measured_[key])
        if (value < 1) throw FormatError(path.string() + ": " + key + "." + name + " is " + std::to_string(value) + "; expected at least 1");
    }
    for (const auto& [key, value] : json.at("choices").items()) choices_[key] = value.get<std::string>();
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(path.string() + ": not a tuning file (" + error.what() + "); correct or remove it");
  }
}

Macros Tuning::values(std::string_view program, std::string_view variant) const {
  const KernelSpec& spec = kernel_spec(program);
  const std::string name(program);
  const auto base = measured_.find(name);
  const auto special = measured_.find(name + "." + std::string(variant));
  Macros out;
  for (const auto& tunable : spec.tunables) {
    int value = is_cpu_ ? tunable.cpu : tunable.gpu;
    for (const auto& entry : {base, special}) {
      if (entry == measured_.end()) continue;
      const auto found = entry->second.find(std::string(tunable.name));
      if (found != entry->second.end()) value = found->second;
    }
    out.emplace_back(tunable.name, value);
  }
  return out;
}

std::string Tuning::choice(std::string_view key, std::string_view fallback) const {
  const auto found = choices_.find(key);
  return found == choices_.end() ? std::string(fallback) : found->second;
}

int value_of(const Macros& macros, std::string_view name) {
  for (const auto& [key, value] : macros)
    if (key == name) return value;
  throw InvalidArgument("[tuning] there is no value for '" + std::string(name) + "'");
}

}  // namespace apiq::runtime
