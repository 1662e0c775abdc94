// Texts must be UTF-8. One in another encoding would be tokenized to rubbish, or nearly so, and calibrate a
// model on it.
#pragma once
#include <string>
#include <string_view>

namespace apiq {

/// The text without its UTF-8 byte order mark, if it has one: the mark is no part of the text, and a
/// tokenizer would make tokens of it. `where` names the file in errors. Throws FormatError with the offset of
/// the first byte that is wrong, the encoding that the file seems to have, and how to convert it: a mark of
/// UTF-16 or UTF-32, a zero byte (UTF-16 without a mark is valid UTF-8 where it is ASCII), bytes that are not
/// UTF-8.
std::string_view checked_utf8(std::string_view text, const std::string& where);

}  // namespace apiq
