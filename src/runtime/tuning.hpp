// Tunables of a program for a device: the preset of its class, overlaid with measured values from
// data/tuning/<device>.json.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apiq/device.hpp"
#include "runtime/kernel_registry.hpp"
#include "util/environment.hpp"

namespace apiq::runtime {

/// Tunable -> value.
using TunedValues = std::map<std::string, int, std::less<>>;

/// What a tuning file decides, tunables by program ("gemm"); further keys of the file are for people.
struct TuningData {
  std::map<std::string, TunedValues, std::less<>> tunables;
  std::map<std::string, std::string, std::less<>> choices;
};

/// Throws FormatError (not a tuning file or of another version, a value out of range), IoError.
TuningData read_tuning_file(const std::filesystem::path& path);

class Tuning {
 public:
  /// Reads the file of the device (find_tuning_file), if there is one. With $APIQ_PRESET (cpu | gpu) that
  /// preset holds as it is, whatever the device and its file say, so that tests run the other preset's
  /// kernels; choices are still the file's.
  Tuning(const DeviceInfo& info, const Environment& environment);

  /// Values for a program. Order and names are those of KernelSpec::tunables.
  Macros values(std::string_view program) const;

  /// A named choice a launcher makes by measurement ("gemm.engine" -> "clblast"); fallback if the file has
  /// none.
  std::string choice(std::string_view key, std::string_view fallback) const;

  /// Where the measured values come from; empty if the presets hold.
  const std::filesystem::path& file() const { return file_; }
  const TuningData& measured() const { return measured_; }
  /// Whether the presets are those of CPUs.
  bool is_cpu() const { return is_cpu_; }
  /// sha256 of everything above that kernels and launchers can see: equal for equal settings, wherever they
  /// were read, whatever else their file says.
  std::string fingerprint() const;

  /// From now on these values hold for `program` instead of measured ones; none: the preset again. For the
  /// tuner, which tries settings this way. Launchers ask for values at every call, programs are built per set
  /// of values.
  void set(const std::string& program, const TunedValues& values);

 private:
  bool is_cpu_;
  std::filesystem::path file_;
  TuningData measured_;
};

/// One value of a macro list. Throws InvalidArgument if it is not there.
int value_of(const Macros& macros, std::string_view name);

/// File name of a device in data/tuning: lower case, runs of other characters become one '-'.
std::string tuning_file_name(const std::string& device_name);

/// The file that serves a device: the one with its name, else the one whose name is the longest beginning of
/// its name that ends before a '-', so that "pthread-haswell.json" serves every "pthread-haswell-...". PoCL
/// calls one processor "pthread-haswell-..." (up to version 3) and "cpu-haswell-..." (since): a file of
/// either name serves both, the device's own name first. Where folders have the same name the first one wins.
/// Empty if there is none.
std::filesystem::path find_tuning_file(const std::vector<std::filesystem::path>& folders,
                                       const std::string& device_name);

}  // namespace apiq::runtime
