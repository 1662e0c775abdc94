// Tunables of a program for a device: the preset of its class, overlaid with measured values from data/tuning/<device>.json.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "apiq/device.hpp"
#include "runtime/kernel_registry.hpp"

namespace apiq::runtime {

class Tuning {
 public:
  /// Reads the device's file from $APIQ_TUNING_DIR or the installed tuning folder, if there is one. $APIQ_PRESET (cpu | gpu)
  /// replaces the class of the device, so that tests run the other preset's kernels.
  explicit Tuning(const DeviceInfo& info);

  /// Values for `variant` of a program ("" = the program itself; launchers name variants by shape class, "small_m").
  /// Order and names are those of KernelSpec::tunables.
  Macros values(std::string_view program, std::string_view variant = "") const;

  /// A named choice a launcher makes by measurement ("gemm.engine" -> "clblast"); fallback if the file has none.
  std::string choice(std::string_view key, std::string_view fallback) const;

 private:
  bool is_cpu_;
  std::map<std::string, std::map<std::string, int>, std::less<>> measured_;  // "qgemm.small_m" -> tunable -> value
  std::map<std::string, std::string, std::less<>> choices_;
};

/// One value of a macro list. Throws InvalidArgument if it is not there.
int value_of(const Macros& macros, std::string_view name);

/// File name of a device in data/tuning: lower case, runs of other characters become one '-'.
std::string tuning_file_name(const std::string& device_name);

}  // namespace apiq::runtime
