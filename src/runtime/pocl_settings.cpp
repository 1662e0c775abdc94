#include "runtime/pocl_settings.hpp"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>

#include "util/text.hpp"

namespace apiq::runtime {

namespace fs = std::filesystem;

namespace {

/// A program and its parts in PoCL's cache take up to some hundred kB.
constexpr std::uint64_t kLeastCacheBytes = 1 << 20;

// PoCL binds thread i to core i whatever the process may use: right only if it may use all.
bool may_use_every_core() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (cores < 1 || cores > CPU_SETSIZE || ::sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return false;
  for (long core = 0; core < cores; ++core)
    if (!CPU_ISSET(static_cast<unsigned>(core), &allowed)) return false;
  return true;
}

/// Whether the folder could be made, or written if it is there.
bool can_be_written(fs::path folder) {
  std::error_code ignored;
  while (!fs::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return fs::is_directory(folder, ignored) && ::access(folder.c_str(), W_OK | X_OK) == 0;
}

/// A folder for this user alone. What lies in it is loaded as code, so one that somebody else made, or may
/// write to, is not used; then the process gets one of its own.
fs::path private_folder(const fs::path& parent) {
  const fs::path folder = parent / ("apiq-pocl-cache-" + std::to_string(::getuid()));
  ::mkdir(folder.c_str(), 0700);
  struct stat is {};
  if (::lstat(folder.c_str(), &is) == 0 && S_ISDIR(is.st_mode) && is.st_uid == ::getuid() &&
      (is.st_mode & 077) == 0)
    return folder;
  std::string name = (parent / "apiq-pocl-cache-XXXXXX").string();
  return ::mkdtemp(name.data()) != nullptr ? fs::path(name) : fs::path();
}

void give_pocl_a_cache(const Environment& environment) {
  if (environment.pocl_cache_dir || can_be_written(pocl_cache_folder(environment))) return;
  std::error_code ignored;
  const fs::path parent = fs::temp_directory_path(ignored);
  if (parent.empty()) return;
  if (const fs::path folder = private_folder(parent); !folder.empty())
    ::setenv("POCL_CACHE_DIR", folder.c_str(), 0);
}

}  // namespace

void set_up_pocl(const Environment& environment) {
  if (may_use_every_core()) ::setenv("POCL_AFFINITY", "1", 0);
  give_pocl_a_cache(environment);
}

void set_up_pocl_once() {
  static std::once_flag once;
  std::call_once(once, [] { set_up_pocl(Environment::read()); });
}

fs::path pocl_cache_folder(const Environment& environment) {
  if (environment.pocl_cache_dir) return *environment.pocl_cache_dir;
  if (!environment.xdg_cache_home.empty()) return fs::path(environment.xdg_cache_home) / "pocl";
  if (!environment.home.empty()) return fs::path(environment.home) / ".cache" / "pocl";
  return "/tmp/pocl";
}

std::string pocl_cache_trouble(const DeviceInfo& info, const Environment& environment) {
  if (info.platform.find("Portable Computing Language") == std::string::npos) return {};
  fs::path folder = pocl_cache_folder(environment);
  const std::string what = "; PoCL keeps its kernels in " + folder.string();
  if (!can_be_written(folder))
    return what + ", which cannot be written: set POCL_CACHE_DIR to another folder";
  std::error_code error;
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, error);
  if (error || space.available >= kLeastCacheBytes) return {};
  return what + ", where " + size_text(space.available) +
         " are free: make room, or set POCL_CACHE_DIR to a folder on another disk";
}

}  // namespace apiq::runtime
