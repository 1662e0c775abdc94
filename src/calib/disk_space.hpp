// What a run's files need of the file systems they go to, checked before anything starts: a disk that fills
// up at the end has cost the whole run.
#pragma once
#include <cstdint>
#include <filesystem>

namespace apiq::calib {

/// Throws IoError if output_bytes beside `output` and work_bytes in `work_dir` are more than is free there;
/// they may share a file system. What lies in the work directory already counts as free: it is the state of
/// the same run, or goes.
void check_disk(const std::filesystem::path& output, std::uint64_t output_bytes,
                const std::filesystem::path& work_dir, std::uint64_t work_bytes);

/// Bytes free for this user beside `output`; 0 if the system does not say.
std::uint64_t free_disk_bytes(const std::filesystem::path& output);

}  // namespace apiq::calib
