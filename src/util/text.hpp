// Small text helpers shared by error messages, options and results.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace apiq {

/// "1.50 MiB": bytes for people.
std::string size_text(std::uint64_t bytes);

/// Inverse for options: "8GiB", "512 MiB", "1.5GiB", "4096" (bytes). Throws InvalidArgument naming what was
/// found.
std::uint64_t parse_size(const std::string& text);

/// "a, b, c"
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// Text of unknown origin for an error line: at most `limit` bytes, cut with "...", control and non-ASCII
/// bytes as \xHH.
std::string excerpt(std::string_view text, std::size_t limit = 80);

/// Shell-quotes where needed, so that a recorded command line can be pasted back.
std::string command_text(int argc, const char* const* argv);

}  // namespace apiq
