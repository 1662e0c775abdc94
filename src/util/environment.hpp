// The environment variables that mean something to this library, read in one place (docs/cli.md lists them).
// An opened device holds what they were when it was opened, so nothing that computes asks again and a host
// program's threads may change its environment.
#pragma once
#include <map>
#include <optional>
#include <string>

namespace apiq {

struct Environment {
  std::string device;                         // APIQ_DEVICE: the default of --device
  std::string build_options;                  // APIQ_BUILD_OPTIONS: added to every kernel compilation
  std::string fast_paths;                     // APIQ_FAST_PATHS: see runtime/fast_path_setting.hpp
  std::string gemm;                           // APIQ_GEMM: engine of f32 products
  std::string preset;                         // APIQ_PRESET: cpu or gpu; empty: what the device is
  std::string tuning_dir;                     // APIQ_TUNING_DIR: the only folder of tuning files
  std::optional<std::string> cache_dir;       // APIQ_CACHE_DIR; set but empty: no cache is kept
  std::optional<std::string> pocl_cache_dir;  // POCL_CACHE_DIR, the user's or set by runtime/pocl_settings
  std::string home, xdg_cache_home, xdg_data_home;
  /// Set variables of drivers that change the code which their compilers make.
  std::map<std::string, std::string> drivers;

  /// Of the process, now.
  static Environment read();

  /// Throws InvalidArgument for values that could only fail later or be misread: a -D or -I without its value
  /// in APIQ_BUILD_OPTIONS, a preset that is neither cpu nor gpu.
  void check() const;

  /// Name and value of what is set and can change a result's bits.
  std::map<std::string, std::string> changing_results() const;
};

}  // namespace apiq
