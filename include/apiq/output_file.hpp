// Where results go: files that appear when they are complete, or standard output.
#pragma once
#include <filesystem>
#include <string>

namespace apiq {

/// Writes text to a file atomically, or to standard output for "-". Throws IoError.
void write_result(const std::string& path, const std::string& text);

/// Throws IoError if a file of this name could not be written now: its folder is missing, is no folder or
/// refuses new files, or the name is a directory's. For before the work whose result is to go there. "-" is
/// always fine.
void check_writable(const std::filesystem::path& path);

}  // namespace apiq
