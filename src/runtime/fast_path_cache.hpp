// What trials of fast paths found, kept beside the compiled programs so that they run once per device, driver
// and source.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "apiq/fast_paths.hpp"
#include "runtime/program_cache.hpp"

namespace apiq::runtime {

class FastPathCache {
 public:
  /// An empty folder switches the cache off. build_options: of every kernel of this device, a part of the
  /// keys.
  FastPathCache(const DeviceInfo& device, const std::filesystem::path& folder,
                std::string_view build_options = {});

  /// What was stored for this path with the same `identity` (sources and options that the trial ran), on this
  /// device under this driver. A missing or damaged entry is none. A path whose trial brought the process
  /// down twice is refused.
  std::optional<FastPathReport> load(std::string_view path, std::string_view identity) const;
  /// A trial starts: its outcome, stored later, takes the place of this note.
  void begin(std::string_view path, std::string_view identity) const noexcept;
  /// Back to nothing known.
  void forget(std::string_view path, std::string_view identity) const noexcept;
  /// Best effort, as ProgramCache::store.
  void store(const FastPathReport& report, std::string_view identity) const noexcept;

 private:
  std::string key(std::string_view path, std::string_view identity) const;
  std::optional<FastPathReport> entry(std::string_view path, std::string_view identity) const;
  ProgramCache files_;
  std::string device_;
};

}  // namespace apiq::runtime
