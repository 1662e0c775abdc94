#include "runtime/install_paths.hpp"

#include <dlfcn.h>

#include <cstdlib>

namespace apiq::runtime {

namespace fs = std::filesystem;

namespace {

/// An environment variable that is there and not empty.
const char* set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace

fs::path tuning_folder() {
  Dl_info where{};
  if (::dladdr(reinterpret_cast<const void*>(&tuning_folder), &where) == 0) return {};
  std::error_code ignored;
  fs::path folder = fs::weakly_canonical(where.dli_fname, ignored).parent_path();
  for (int up = 0; up < 4 && folder.has_parent_path(); ++up, folder = folder.parent_path())
    for (const char* inside : {"share/apiq/tuning", "data/tuning"})
      if (fs::is_directory(folder / inside, ignored)) return folder / inside;
  return {};
}

fs::path user_tuning_folder() {
  if (const char* chosen = set("APIQ_TUNING_DIR")) return chosen;
  if (const char* xdg = set("XDG_DATA_HOME")) return fs::path(xdg) / "apiq" / "tuning";
  if (const char* home = set("HOME")) return fs::path(home) / ".local" / "share" / "apiq" / "tuning";
  return {};
}

std::vector<fs::path> tuning_folders() {
  if (set("APIQ_TUNING_DIR") != nullptr) return {user_tuning_folder()};
  return {user_tuning_folder(), tuning_folder()};
}

fs::path cache_folder() {
  if (const char* own = set("APIQ_CACHE_DIR")) return own;
  if (const char* xdg = set("XDG_CACHE_HOME")) return fs::path(xdg) / "apiq";
  if (const char* home = set("HOME")) return fs::path(home) / ".cache" / "apiq";
  return {};
}

}  // namespace apiq::runtime
