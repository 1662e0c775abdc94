#include "calib/disk_space.hpp"

#include <sys/stat.h>

#include "apiq/error.hpp"
#include "util/text.hpp"

namespace apiq::calib {

namespace fs = std::filesystem;

namespace {

fs::path folder_of(const fs::path& file) { return fs::absolute(file).parent_path(); }

/// The folder itself, or the one in which it will be created.
fs::path existing(fs::path folder) {
  folder = fs::absolute(folder);
  std::error_code ignored;
  while (!fs::is_directory(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

bool same_file_system(const fs::path& a, const fs::path& b) {
  struct stat first = {}, second = {};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev;
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code code;
  for (auto it = fs::directory_iterator(folder, code); !code && it != fs::directory_iterator();
       it.increment(code)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) bytes += it->file_size(ignored);
  }
  return bytes;
}

void require(const fs::path& folder, std::uint64_t needed, std::uint64_t reusable, const std::string& what) {
  std::error_code code;
  const fs::space_info space = fs::space(folder, code);
  if (code || space.available + reusable >= needed) return;  // a system that does not say must not stop a run
  throw IoError(folder.string() + ": " + what + " of disk, " + size_text(space.available + reusable) +
                " are free; free some or choose another --output and --work-dir");
}

}  // namespace

void check_disk(const fs::path& output, std::uint64_t output_bytes, const fs::path& work_dir,
                std::uint64_t work_bytes) {
  const fs::path folder = folder_of(output), work = existing(work_dir);
  const std::uint64_t there = bytes_in(work_dir);
  if (same_file_system(folder, work)) {
    require(folder, output_bytes + work_bytes, there,
            "the run needs up to " + size_text(output_bytes + work_bytes) + " (" + size_text(work_bytes) +
                " of it while it runs)");
    return;
  }
  require(folder, output_bytes, 0, "the checkpoint needs up to " + size_text(output_bytes));
  require(work, work_bytes, there, "the run needs up to " + size_text(work_bytes));
}

std::uint64_t free_disk_bytes(const fs::path& output) {
  std::error_code code;
  const fs::space_info space = fs::space(folder_of(output), code);
  return code ? 0 : space.available;
}

}  // namespace apiq::calib
