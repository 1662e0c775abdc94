// A JSON object whose members are read with checks; errors name file and key.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace apiq {

class ConfigKeys {
 public:
  /// `object` must outlive this. Throws FormatError if it is not an object; `where` names it in errors.
  ConfigKeys(const nlohmann::json& object, std::string where);

  /// FormatError: expected so, found what is there.
  [[noreturn]] void fail(const std::string& key, const std::string& expected) const;
  [[noreturn]] void unsupported(const std::string& what) const;

  /// The key is there, be it null.
  bool has(const std::string& key) const { return object_.contains(key); }
  /// nullptr if the key is absent or null: Hugging Face writes null for "default".
  const nlohmann::json* get(const std::string& key) const;

  /// An integer from 1 to limit.
  std::optional<std::uint32_t> optional_count(const std::string& key, std::uint32_t limit) const;
  std::uint32_t count(const std::string& key, std::uint32_t limit) const;
  bool flag(const std::string& key, bool otherwise) const;
  std::optional<float> optional_number(const std::string& key, double low, double high) const;
  std::string text(const std::string& key, const char* otherwise) const;

 private:
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace apiq
