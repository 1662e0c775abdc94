#include "batch/manifest_value.hpp"

#include <algorithm>

#include "util/text.hpp"

namespace apiq {

FormatError ManifestValue::error(const std::string& what) const {
  return FormatError(file_ + ": " + (key_.empty() ? "" : key_ + ": ") + what);
}

FormatError ManifestValue::mismatch(const std::string& expected) const {
  return error("expected " + expected + ", found " + excerpt(value_->dump(-1, ' ', true), 60));
}

bool ManifestValue::has(const std::string& member) const {
  return value_->is_object() && value_->contains(member);
}

ManifestValue ManifestValue::at(const std::string& member) const {
  if (!value_->is_object()) throw mismatch("an object");
  if (!value_->contains(member)) throw error("the key '" + member + "' is missing");
  return {(*value_)[member], file_, key_.empty() ? member : key_ + "." + excerpt(member)};
}

std::vector<std::string> ManifestValue::members() const {
  if (!value_->is_object()) throw mismatch("an object");
  std::vector<std::string> out;
  for (const auto& [name, unused] : value_->items()) out.push_back(name);
  return out;
}

void ManifestValue::check_members(const std::vector<std::string>& known) const {
  for (const std::string& name : members()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw at(name).error("unknown key; the keys here are " + join(known, ", "));
  }
}

std::string ManifestValue::text() const {
  if (!value_->is_string() || value_->get_ref<const std::string&>().empty()) throw mismatch("a text");
  return value_->get<std::string>();
}

bool ManifestValue::boolean() const {
  if (!value_->is_boolean()) throw mismatch("true or false");
  return value_->get<bool>();
}

std::vector<ManifestValue> ManifestValue::items() const {
  if (!value_->is_array() || value_->empty()) throw mismatch("a list with at least one value");
  std::vector<ManifestValue> out;
  for (std::size_t i = 0; i < value_->size(); ++i)
    out.push_back({(*value_)[i], file_, key_ + "[" + std::to_string(i) + "]"});
  return out;
}

std::vector<ManifestValue> ManifestValue::items_or_self() const {
  if (value_->is_array()) return items();
  return {*this};
}

}  // namespace apiq
