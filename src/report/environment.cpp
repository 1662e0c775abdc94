// The process and the build a result came from.
#include <fstream>
#include <string>

#include "apiq/process_memory.hpp"
#include "apiq/version.hpp"

namespace apiq {

namespace {

/// A value of /proc/self/status, given there in KiB.
std::uint64_t status_bytes(const std::string& wanted) {
  std::ifstream status("/proc/self/status");
  std::string key;
  while (status >> key) {
    if (key == wanted) {
      std::uint64_t kib = 0;
      status >> kib;
      return kib * 1024;
    }
    status.ignore(4096, '\n');
  }
  return 0;
}

}  // namespace

// VmHWM, not getrusage: ru_maxrss is inherited through exec and would report a large parent's size.
std::uint64_t peak_host_bytes() { return status_bytes("VmHWM:"); }
std::uint64_t current_host_bytes() { return status_bytes("VmRSS:"); }

std::string library_versions() { return "OpenCL headers " APIQ_OPENCL_VERSION ", HDF5 " APIQ_HDF5_VERSION; }

}  // namespace apiq
