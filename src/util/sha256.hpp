// SHA-256 (libcrypto), as lower-case hexadecimal.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace apiq {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256& update(const void* data, std::size_t bytes);
  Sha256& update(std::string_view text) { return update(text.data(), text.size()); }
  /// Ends the computation: 64 hexadecimal digits.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_of(std::string_view text);

/// Hash of a file's bytes. Throws IoError.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace apiq
