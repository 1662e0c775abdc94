// JSON of files that are not ours (config.json, safetensors headers, .jsonl): strict, bounded, with errors
// that say where.
#pragma once
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace apiq {

/// One JSON value with white space around it. Refuses: text over limit_bytes, nesting over 64 levels, a key
/// twice in one object, bytes that are not UTF-8, anything after the value. `where` names the file (and line)
/// in errors. Throws FormatError.
nlohmann::json parse_json(std::string_view text, const std::string& where,
                          std::size_t limit_bytes = std::size_t{16} << 20);

}  // namespace apiq
