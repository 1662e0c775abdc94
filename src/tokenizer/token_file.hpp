// Token sequences from the files programs are given: text, .jsonl, or raw ids (.u16, .u32 little-endian).
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.hpp"

namespace apiq {

/// True for .u16 and .u32: raw ids, which need no tokenizer.
bool holds_token_ids(const std::filesystem::path& path);

/// The whole file as one token sequence.
///   .u16 .u32   ids as they are; every id below vocab_size, else FormatError with its position
///   .jsonl      the string field `text_field` of each line; texts joined by a blank line, encoded in one
///   call other       UTF-8 text, encoded in one call (one BOS at the start); a byte order mark is passed
///   over
/// tokenizer may be null for .u16 and .u32 files; Unsupported if it is needed and null.
/// Throws IoError, FormatError (empty, not UTF-8 with the offset in the file, bad JSON with its line number).
std::vector<std::int32_t> load_tokens(const std::filesystem::path& path, const Tokenizer* tokenizer,
                                      std::uint32_t vocab_size, const std::string& text_field = "text");

}  // namespace apiq
