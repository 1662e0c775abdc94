#include "tokenizer/text_encoding.hpp"

#include <algorithm>

#include "apiq/error.hpp"
#include "util/text.hpp"
#include "util/utf8.hpp"

namespace apiq {

namespace {

using namespace std::string_view_literals;

struct Mark {
  std::string_view bytes;
  const char* encoding;  // as iconv calls it
};
/// The four-byte marks first: UTF-32's begins with UTF-16's. Unicode standard, section 23.8.
constexpr Mark kMarks[] = {{"\xff\xfe\0\0"sv, "UTF-32"},
                           {"\0\0\xfe\xff"sv, "UTF-32"},
                           {"\xff\xfe"sv, "UTF-16"},
                           {"\xfe\xff"sv, "UTF-16"}};
constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";

/// The encoding is a guess, and said to be one; null if there is none.
FormatError wrong_encoding(const std::string& where, const std::string& found, std::size_t at,
                           const char* encoding) {
  const std::string name = encoding ? encoding : "ENCODING";
  return FormatError(where + ": expected UTF-8 text, found " + found + " at byte " + std::to_string(at) +
                     "; " +
                     (encoding ? "if it is " + name + ", convert it with"
                               : "if it is in another encoding, convert it with") +
                     " iconv -f " + name + " -t UTF-8; if it holds token ids, name it .u16 or .u32");
}

/// Of Latin text in UTF-16 every other byte is zero, in UTF-32 three of four; little-endian puts the first of
/// them after the letter.
const char* encoding_of_zeros(std::string_view text, std::size_t first) {
  const std::string_view part = text.substr(first / 4 * 4, 64);
  const auto zeros = static_cast<std::size_t>(std::count(part.begin(), part.end(), '\0'));
  const bool little_endian = first % 2 == 1;
  if (8 * zeros < 3 * part.size()) return nullptr;  // too few
  if (8 * zeros > 5 * part.size()) return little_endian ? "UTF-32LE" : "UTF-32BE";
  return little_endian ? "UTF-16LE" : "UTF-16BE";
}

FormatError not_utf8(std::string_view text, const std::string& where, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (utf8_may_continue(text.substr(at)))
    return FormatError(where +
                       ": expected UTF-8 text, found its end within a character that begins at byte " +
                       std::to_string(at) + "; the file is cut short");
  // ISO-8859-1 has no letters from 80 to 9f; Windows has its quotation marks there.
  return wrong_encoding(where, excerpt(text.substr(at, 1)), at,
                        byte >= 0x80 && byte < 0xa0 ? "WINDOWS-1252" : "ISO-8859-1");
}

}  // namespace

std::string_view checked_utf8(std::string_view text, const std::string& where) {
  for (const Mark& mark : kMarks) {
    if (text.substr(0, mark.bytes.size()) == mark.bytes)
      throw wrong_encoding(where, "a byte order mark of " + std::string(mark.encoding), 0, mark.encoding);
  }
  if (const std::size_t at = text.find('\0'); at != std::string_view::npos)
    throw wrong_encoding(where, "a zero byte", at, encoding_of_zeros(text, at));
  if (const std::size_t at = find_invalid_utf8(text); at != std::string_view::npos)
    throw not_utf8(text, where, at);
  return text.substr(0, kUtf8Mark.size()) == kUtf8Mark ? text.substr(kUtf8Mark.size()) : text;
}

}  // namespace apiq
