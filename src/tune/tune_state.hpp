// What an unfinished tuning has measured, as a file beside its output, so that the same command goes on where
// the last one stopped.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "apiq/tune.hpp"
#include "tune/descent.hpp"

namespace apiq::tuning {

struct KernelState {
  std::string
      fingerprint;  // of source, presets and search space: measurements of anything else are forgotten
  Memo memo;
  bool finished = false;
  TunedKernel result;  // of the last turn; meaningful if it had one
  bool has_result = false;
};

/// The setting being tried, written before it runs: one that ends the process (a driver that crashes) is
/// tried once more, then refused.
struct Attempt {
  std::string kernel, point;
  int times = 0;
};

class TuneState {
 public:
  TuneState(std::filesystem::path path, const DeviceInfo& info);

  /// What the file holds if it is of this device and driver; nothing otherwise. Throws IoError, FormatError
  /// (not such a file, of another version; path, what to do).
  void load();
  /// Writes the file, or removes it if there is nothing to remember.
  void save() const;

  /// The kernel's state, emptied first if it is of another fingerprint.
  KernelState& of(const std::string& key, const std::string& fingerprint);
  void forget(const std::string& key) { kernels_.erase(key); }
  /// Notes what is about to run. False: it already ended the process twice.
  bool begin(const std::string& key, const std::string& point);
  void end() { attempt_ = {}; }

 private:
  std::filesystem::path path_;
  std::string device_, driver_;
  std::map<std::string, KernelState> kernels_;
  Attempt attempt_;
};

/// <output>.state
std::filesystem::path state_path(const std::filesystem::path& output);

}  // namespace apiq::tuning
