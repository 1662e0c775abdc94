#include "family/config_keys.hpp"

#include <cstdio>
#include <limits>
#include <utility>

#include "apiq/error.hpp"
#include "util/text.hpp"

namespace apiq {

using nlohmann::json;

ConfigKeys::ConfigKeys(const json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object_.is_object())
    throw FormatError(where_ + ": expected a JSON object, found " + object_.type_name());
}

void ConfigKeys::fail(const std::string& key, const std::string& expected) const {
  const json* value = get(key);
  throw FormatError(where_ + ": key '" + key + "': expected " + expected + ", found " +
                    (value ? excerpt(value->dump(), 60) : "nothing"));
}

void ConfigKeys::unsupported(const std::string& what) const { throw Unsupported(where_ + ": " + what); }

const json* ConfigKeys::get(const std::string& key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::uint32_t> ConfigKeys::optional_count(const std::string& key, std::uint32_t limit) const {
  const json* value = get(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() == 0 || value->get<std::uint64_t>() > limit)
    fail(key, "an integer from 1 to " + std::to_string(limit));
  return value->get<std::uint32_t>();
}

std::uint32_t ConfigKeys::count(const std::string& key, std::uint32_t limit) const {
  const auto value = optional_count(key, limit);
  if (!value) fail(key, "an integer from 1 to " + std::to_string(limit));
  return *value;
}

bool ConfigKeys::flag(const std::string& key, bool otherwise) const {
  const json* value = get(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail(key, "true or false");
  return value->get<bool>();
}

std::optional<float> ConfigKeys::optional_number(const std::string& key, double low, double high) const {
  const json* value = get(key);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (!(number >= low && number <= high)) {
    char range[64];
    std::snprintf(range, sizeof range, "a number from %g to %g", low, high);
    fail(key, range);
  }
  return static_cast<float>(number);
}

std::string ConfigKeys::text(const std::string& key, const char* otherwise) const {
  const json* value = get(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) fail(key, "a string");
  return value->get<std::string>();
}

}  // namespace apiq
