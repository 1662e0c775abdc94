// What PoCL has to be told before the first OpenCL call, and what it does not say of its kernel cache.
#pragma once
#include <filesystem>
#include <string>

#include "apiq/device.hpp"
#include "util/environment.hpp"

namespace apiq::runtime {

/// Sets environment variables that other drivers do not read, each only where the user has not set it:
///   POCL_AFFINITY=1       one core for each of PoCL's threads, if this process may use every core. Without
///   it
///                         the scheduler may leave two of them on one core for some 70 ms after other threads
///                         ran, at half the speed.
///   POCL_CACHE_DIR        a folder of ours under the system's temporary one, where the folder that PoCL
///   would
///                         make cannot be written: it then has no device at all.
void set_up_pocl(const Environment& environment);

/// set_up_pocl once per process. Changing the environment while other threads read it is a race, so a host
/// program with threads opens or lists devices before it starts them (include/apiq/device.hpp says so).
void set_up_pocl_once();

/// Where PoCL keeps compiled kernels.
std::filesystem::path pocl_cache_folder(const Environment& environment);

/// "" unless this is a PoCL device whose cache cannot take another program: why, as the end of an error text.
/// PoCL itself only says that the build failed.
std::string pocl_cache_trouble(const DeviceInfo& info, const Environment& environment);

}  // namespace apiq::runtime
