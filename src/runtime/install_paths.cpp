#include "runtime/install_paths.hpp"

#include <dlfcn.h>

namespace apiq::runtime {

namespace fs = std::filesystem;

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

fs::path user_tuning_folder(const Environment& environment) {
  if (!environment.tuning_dir.empty()) return environment.tuning_dir;
  if (!environment.xdg_data_home.empty()) return fs::path(environment.xdg_data_home) / "apiq" / "tuning";
  if (!environment.home.empty()) return fs::path(environment.home) / ".local" / "share" / "apiq" / "tuning";
  return {};
}

std::vector<fs::path> tuning_folders(const Environment& environment) {
  if (!environment.tuning_dir.empty()) return {user_tuning_folder(environment)};
  return {user_tuning_folder(environment), tuning_folder()};
}

fs::path cache_folder(const Environment& environment) {
  if (environment.cache_dir) return *environment.cache_dir;
  if (!environment.xdg_cache_home.empty()) return fs::path(environment.xdg_cache_home) / "apiq";
  if (!environment.home.empty()) return fs::path(environment.home) / ".cache" / "apiq";
  return {};
}

}  // namespace apiq::runtime
