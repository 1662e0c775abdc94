// Compiled programs on disk. A missing, unreadable or damaged entry is a miss, never an error: the kernel is
// then built again.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace apiq::runtime {

class ProgramCache {
 public:
  /// An empty folder switches the cache off.
  explicit ProgramCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// The binary stored for this key if its checksum holds.
  std::optional<std::string> load(const std::string& key) const;
  /// Best effort: a full disk or a read-only folder only means that nothing is kept.
  void store(const std::string& key, const std::string& binary) const noexcept;

 private:
  std::filesystem::path folder_;
};

}  // namespace apiq::runtime
