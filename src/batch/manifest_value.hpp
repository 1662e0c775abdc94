// A value of the manifest together with where it is, so that every complaint names file and key.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apiq/error.hpp"

namespace apiq {

class ManifestValue {
 public:
  ManifestValue(const nlohmann::json& value, std::string file, std::string key = {})
      : value_(&value), file_(std::move(file)), key_(std::move(key)) {}

  const nlohmann::json& json() const { return *value_; }
  /// "jobs[1].bits"
  const std::string& key() const { return key_; }
  /// "FILE: jobs[1].bits: expected ..., found ...". An error to throw.
  FormatError error(const std::string& what) const;
  FormatError mismatch(const std::string& expected) const;  // adds what was found

  bool has(const std::string& member) const;
  ManifestValue at(const std::string& member) const;  // must be there
  std::vector<std::string> members() const;           // of an object; throws for anything else
  /// Throws unless every member of this object is among these.
  void check_members(const std::vector<std::string>& known) const;

  std::string text() const;                  // a string that is not empty
  bool boolean() const;                      // true or false
  std::vector<ManifestValue> items() const;  // of an array that is not empty
  std::vector<ManifestValue> items_or_self() const;

 private:
  const nlohmann::json* value_;
  std::string file_, key_;
};

}  // namespace apiq
