// What is said of a tuning file beside its values (runtime/tuning.hpp).
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace apiq::runtime {

/// What "version" may be; a file without one is of version 1.
inline constexpr int kTuningVersion = 1;

/// Programs, tunables and choices that mean nothing to this version ("removed", "gemm.OLD"), in the file's
/// words: of another version, or misspelt. They have no effect. Throws as read_tuning_file.
std::vector<std::string> unknown_entries(const std::filesystem::path& path);

/// One line that says so; empty if there is no file or all of it is known.
std::string unknown_text(const std::filesystem::path& path);

}  // namespace apiq::runtime
