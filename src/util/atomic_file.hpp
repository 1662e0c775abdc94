// Files are replaced, never edited: written under a temporary name in the same folder, flushed, renamed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace apiq {

/// The temporary name a writer of `path` uses: the same folder, so that the rename stays on one file system.
std::filesystem::path temporary_name(const std::filesystem::path& path);

/// Removes temporary files of `path` whose writers were killed: those named after a process that no longer
/// runs. Never throws.
void remove_stale_temporaries(const std::filesystem::path& path) noexcept;

/// fsync(temporary), rename over path. Throws IoError and removes the temporary on failure.
void commit_file(const std::filesystem::path& temporary, const std::filesystem::path& path);

/// Whole-file write through the two functions above.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Whole file as bytes; at most limit_bytes (FormatError beyond). Throws IoError.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit_bytes = std::uint64_t{1} << 32);

}  // namespace apiq
