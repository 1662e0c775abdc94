#include "runtime/tuning.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "apiq/error.hpp"
#include "runtime/install_paths.hpp"
#include "runtime/tuning_file.hpp"
#include "util/atomic_file.hpp"
#include "util/json.hpp"
#include "util/sha256.hpp"
#include "util/text.hpp"

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

namespace {

constexpr std::size_t kTuningFileLimit = std::size_t{1} << 20;
constexpr std::string_view kChoices[] = {"activations", "gemm.engine"};

const KernelSpec* find_program(std::string_view name) {
  const auto& specs = kernel_specs();
  const auto found = std::find_if(specs.begin(), specs.end(), [&](const auto& s) { return s.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

const Tunable* find_tunable(const KernelSpec& spec, std::string_view name) {
  const auto found = std::find_if(spec.tunables.begin(), spec.tunables.end(),
                                  [&](const Tunable& t) { return t.name == name; });
  return found == spec.tunables.end() ? nullptr : &*found;
}

/// One value as a macro may have it: 0 switches something off where a preset says that it may.
int value_from(const nlohmann::json& json, const Tunable& tunable, const std::string& where) {
  const bool may_be_0 = tunable.cpu == 0 || tunable.gpu == 0;
  if (json.is_number_integer() && json >= (may_be_0 ? 0 : 1) && json <= std::numeric_limits<int>::max())
    return json.get<int>();
  throw FormatError(where + " is " + json.dump() + "; expected a whole number of at least " +
                    (may_be_0 ? "0" : "1"));
}

/// Members of an object; other values have none to walk over, but nlohmann's items() would show them as one.
auto members(const nlohmann::json& json, const std::string& where) {
  if (!json.is_object()) throw FormatError(where + ": expected an object, found " + json.type_name());
  return json.items();
}

struct ReadTuning {
  TuningData data;
  std::vector<std::string> unknown;
};

void read_program(const std::string& program, const nlohmann::json& values, const std::string& where,
                  ReadTuning& out) {
  const KernelSpec* spec = find_program(program);
  if (spec == nullptr) {
    out.unknown.push_back(program);
    return;
  }
  for (const auto& [name, value] : members(values, where + ": " + program)) {
    const std::string entry = program + "." + name;
    if (const Tunable* tunable = find_tunable(*spec, name))
      out.data.tunables[program][name] = value_from(value, *tunable, where + ": " + entry);
    else out.unknown.push_back(entry);
  }
}

void check_version(const nlohmann::json& json, const std::string& where) {
  if (!json.contains("version") || json.at("version") == kTuningVersion) return;
  throw FormatError(where + ": expected a tuning file of version " + std::to_string(kTuningVersion) +
                    ", found " + json.at("version").dump() +
                    "; it was written by another version of apiq-tune: remove it and run apiq-tune again");
}

ReadTuning read_file_and_names(const fs::path& path) {
  const std::string where = path.string();
  const nlohmann::json json =
      parse_json(read_file(path, kTuningFileLimit), where + ": not a tuning file", kTuningFileLimit);
  ReadTuning out;
  try {
    check_version(json, where);
    for (const auto& [program, values] : members(json.at("tunables"), where + ": tunables"))
      read_program(program, values, where, out);
    for (const auto& [key, value] : members(json.at("choices"), where + ": choices")) {
      if (std::find(std::begin(kChoices), std::end(kChoices), key) == std::end(kChoices))
        out.unknown.push_back(key);
      else out.data.choices[key] = value.get<std::string>();
    }
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(where + ": not a tuning file (" + error.what() + "); correct or remove it");
  }
  return out;
}

}  // namespace

TuningData read_tuning_file(const fs::path& path) { return read_file_and_names(path).data; }

std::vector<std::string> unknown_entries(const fs::path& path) { return read_file_and_names(path).unknown; }

std::string unknown_text(const fs::path& path) {
  std::string names;
  if (!path.empty())
    for (const std::string& name : unknown_entries(path))
      names += (names.empty() ? "" : ", ") + excerpt(name);
  if (names.empty()) return {};
  return path.string() + ": " + names +
         ": not known to this version and without effect; correct the file, or run apiq-tune, which leaves "
         "them out";
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
