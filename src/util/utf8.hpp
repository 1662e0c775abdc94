// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once
#include <cstddef>
#include <string_view>

namespace apiq {

/// Bytes of the well-formed character that text begins with; 0 if it begins with none.
std::size_t utf8_character_bytes(std::string_view text);

/// True if text is a proper beginning of a character: bytes that follow could complete it.
bool utf8_may_continue(std::string_view text);

/// Offset of the first byte that is not part of a well-formed character; npos if the text is UTF-8.
std::size_t find_invalid_utf8(std::string_view text);

}  // namespace apiq
