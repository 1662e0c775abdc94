#include "tokenizer/token_file.hpp"

#include <algorithm>

#include "apiq/error.hpp"
#include "tokenizer/text_encoding.hpp"
#include "util/atomic_file.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

std::vector<std::int32_t> read_ids(const std::string& bytes, std::size_t width, std::uint32_t vocab_size,
                                   const std::string& where) {
  if (bytes.size() % width != 0)
    throw FormatError(where + ": " + std::to_string(bytes.size()) + " bytes are not whole token ids of " +
                      std::to_string(width) + " bytes; the file is cut short or of another kind");
  std::vector<std::int32_t> ids(bytes.size() / width);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint32_t id = 0;
    for (std::size_t b = width; b-- > 0;) id = id << 8 | static_cast<unsigned char>(bytes[i * width + b]);
    if (id >= vocab_size)
      throw FormatError(where + ": token " + std::to_string(i) +
                        ": expected an id below the model's vocab_size " + std::to_string(vocab_size) +
                        ", found " + std::to_string(id) + "; the file was made with another tokenizer");
    ids[i] = static_cast<std::int32_t>(id);
  }
  return ids;
}

/// The texts of a .jsonl file, joined by a blank line. Lines of white space are skipped. JSON has no way to
/// write what is not UTF-8.
std::string read_jsonl(std::string_view bytes, const std::string& field, const std::string& path) {
  std::string out;
  std::size_t line_number = 0;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const std::string_view line(bytes.data() + begin, end - begin);
    begin = end + 1;
    const std::string where = path + ": line " + std::to_string(++line_number);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const nlohmann::json object = parse_json(line, where);
    const auto text = object.is_object() ? object.find(field) : object.end();
    if (text == object.end() || !text->is_string())
      throw FormatError(where + ": expected an object with a string under '" + field + "', found " +
                        excerpt(object.dump(), 60) + "; name the field with --text-field");
    if (!out.empty()) out += "\n\n";
    out += text->get_ref<const std::string&>();
  }
  return out;
}

}  // namespace

bool holds_token_ids(const std::filesystem::path& path) {
  return path.extension() == ".u16" || path.extension() == ".u32";
}

std::vector<std::int32_t> load_tokens(const std::filesystem::path& path, const Tokenizer* tokenizer,
                                      std::uint32_t vocab_size, const std::string& text_field) {
  const std::string where = path.string(), extension = path.extension().string();
  const std::string bytes = read_file(path);
  if (bytes.empty()) throw FormatError(where + ": expected text or token ids, found an empty file");
  if (extension == ".u16") return read_ids(bytes, 2, vocab_size, where);
  if (extension == ".u32") return read_ids(bytes, 4, vocab_size, where);

  if (tokenizer == nullptr)
    throw Unsupported(
        where + ": the model has no tokenizer that is supported; give token ids as a .u16 or .u32 file");
  const std::string_view content =
      checked_utf8(bytes, where);  // of the whole file, so that the offset is one in the file
  const std::string text =
      extension == ".jsonl" ? read_jsonl(content, text_field, where) : std::string(content);
  if (text.empty()) throw FormatError(where + ": expected text, found none");
  return tokenizer->encode(text);
}

}  // namespace apiq
