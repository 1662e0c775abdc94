// Values of an options struct as JSON: its fields under their keys, files by their paths, choices by their
// names.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apiq/method_options.hpp"
#include "apiq/module_override.hpp"

namespace apiq {

template <class T>
auto field_json(const T& value) {
  if constexpr (kIsOpen<T>) return field_json(typename T::Value(value));
  else if constexpr (NamedEnum<T>) return std::string(name_of(value));
  else return value;
}
inline std::string field_json(const std::filesystem::path& path) { return path.string(); }
inline std::string field_json(const ModuleOverride& setting) { return override_text(setting); }
template <class T>
std::vector<std::string> field_json(const std::vector<T>& values) {
  std::vector<std::string> out;
  for (const T& value : values) out.push_back(field_json(value));
  return out;
}

/// Adds every field of T that is recorded in `where` or in more.
template <class T, class Json>
void add_fields(Json& out, const T& options, Recorded where) {
  T::fields([&](auto member, const Field& field) {
    if (field.recorded >= where) out[field.json_key()] = field_json(options.*member);
  });
}

/// Adds the method's own fields, and those of the other methods with the value that stands for "not there",
/// so that readers find rank 0 rather than no rank. `all`: the fields of training, too, where nothing is
/// trained.
template <class Json>
void add_method_fields(Json& out, const MethodOptions& method, bool all = false) {
  if (all || part_of<TrainOptions>(method) != nullptr) {
    // Readers find the same keys whatever the method: a switch of the other one is off.
    add_fields(out, ApiqLwOptions(), Recorded::in_identity);
    add_fields(out, ApiqBwOptions(), Recorded::in_identity);
  }
  add_fields(out, lora_of(method), Recorded::in_identity);
  std::visit([&](const auto& own) { add_fields(out, own, Recorded::in_identity); }, method);
}

}  // namespace apiq
