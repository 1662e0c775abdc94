// The process and the build a result came from, and where results go.
#include <cstdio>
#include <fstream>
#include <string>

#include "apiq/error.hpp"
#include "apiq/result.hpp"
#include "util/atomic_file.hpp"

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

void write_result(const std::string& path, const std::string& text) {
  if (path != "-") return write_file_atomically(path, text + "\n");
  std::fputs((text + "\n").c_str(), stdout);
  if (std::fflush(stdout) != 0) throw IoError("standard output cannot be written");
}

}  // namespace apiq
