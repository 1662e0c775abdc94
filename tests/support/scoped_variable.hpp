// An environment variable for as long as a test needs it. What reads it later, an opened device say, has to
// be made after it or told to read again.
#pragma once
#include <cstdlib>
#include <optional>
#include <string>

namespace apiq::test {

class ScopedVariable {
 public:
  /// value nullptr: not set at all.
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    assign(value);
  }
  ~ScopedVariable() { assign(before_ ? before_->c_str() : nullptr); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  void assign(const char* value) const {
    if (value != nullptr) ::setenv(name_, value, 1);
    else ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace apiq::test
