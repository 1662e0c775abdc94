// Fast paths: kernels for one vendor's hardware (matrix units), used only where a device has shown that they
// are right and faster. The whole procedure: docs/devices.md.
#pragma once
#include <string>
#include <vector>

#include "apiq/device.hpp"

namespace apiq {

/// Time of the portable kernel over that of the fast path, for one kind of product; above 1 the fast path is
/// faster.
struct FastPathSpeed {
  std::string product;  // dense_nt | dense_nn | dense_tn | packed_forward | packed_dx
  std::string rows;     // few | many
  double ratio = 0;
};

/// What became of one fast path on one device.
struct FastPathReport {
  std::string path;       // "nv_mma.bf16"
  bool accepted = false;  // its results are right here
  bool used = false;      // and it is faster for at least one kind of product, or $APIQ_FAST_PATHS forces it
  std::string stage;  // where it was refused: setting | gate | probe | self-test | comparison | timing; empty
                      // if it is used
  std::string reason;  // one line
  std::string log;     // of the compiler that refused the probe
  std::vector<FastPathSpeed> speeds;
};

/// Every fast path with its outcome on this device. Tries those that were not tried before: seconds at the
/// first time on a device that has any, from the disk cache after that, nothing where the gates refuse.
/// Throws InvalidArgument for a $APIQ_FAST_PATHS that cannot be read.
std::vector<FastPathReport> fast_paths(Device& device);

/// What the gates alone say, without opening the device: a refusal or, with an empty stage, "may be tried".
std::vector<FastPathReport> fast_path_gates(const DeviceInfo& device);

/// The paths that have computed something on this device so far.
std::vector<std::string> fast_paths_used(const Device& device);

/// A device with what became of every path on it, for listings.
struct DeviceReport {
  DeviceInfo info;
  std::vector<FastPathReport> fast_paths;
};

}  // namespace apiq
