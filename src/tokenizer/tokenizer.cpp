#include "tokenizer/tokenizer.hpp"

#include <sentencepiece_processor.h>

#include "apiq/error.hpp"
#include "util/json.hpp"
#include "util/utf8.hpp"

namespace apiq {

namespace {

constexpr std::string_view kSpaceMark = "\xe2\x96\x81";    // U+2581, how pieces write a space
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

std::string with_spaces(std::string_view piece) {
  std::string out;
  while (!piece.empty()) {
    const bool mark = piece.starts_with(kSpaceMark);
    out += mark ? ' ' : piece.front();
    piece.remove_prefix(mark ? kSpaceMark.size() : 1);
  }
  return out;
}

bool wants_bos(const std::map<std::string, std::string>& files, const std::string& where) {
  const auto file = files.find("tokenizer_config.json");
  if (file == files.end()) return true;
  const std::string name = where + ": tokenizer_config.json";
  const nlohmann::json config = parse_json(file->second, name);
  const auto key = config.is_object() ? config.find("add_bos_token") : config.end();
  if (key == config.end() || key->is_null()) return true;
  if (!key->is_boolean())
    throw FormatError(name + ": key 'add_bos_token': expected true or false, found " + key->type_name());
  return key->get<bool>();
}

/// Which spaces at the very start of a text decoding drops.
enum class LeadingSpaces { keep, drop_one, drop_all };

/// The model file says it in its normalizer settings, which the library does not hand out: ask by decoding.
LeadingSpaces find_leading_spaces(const sentencepiece::SentencePieceProcessor& processor) {
  const int mark = processor.PieceToId(kSpaceMark);
  if (processor.IsUnknown(mark))
    return LeadingSpaces::drop_one;  // no such piece in this vocabulary: Llama's setting
  const std::size_t left = processor.DecodeIds({mark, mark}).size();
  return left == 2 ? LeadingSpaces::keep : left == 1 ? LeadingSpaces::drop_one : LeadingSpaces::drop_all;
}

/// Moves what is decided of `bytes` into the result: whole characters as they are, hopeless bytes as U+FFFD,
/// one per byte. The beginning of a character stays in `bytes`, unless this is the end.
std::string take_text(std::string& bytes, bool end) {
  std::string out;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::size_t count = utf8_character_bytes(rest);
    if (count == 0 && !end && utf8_may_continue(rest)) break;
    out += count != 0 ? rest.substr(0, count) : kReplacement;
    rest.remove_prefix(count != 0 ? count : 1);
  }
  bytes = std::string(rest);
  return out;
}

}  // namespace

struct Tokenizer::State {
  sentencepiece::SentencePieceProcessor processor;
  bool add_bos = true;
  LeadingSpaces leading = LeadingSpaces::drop_one;
  std::vector<std::string> texts;  // per id: bytes it stands for, as in the middle of a text

  void read_texts() {
    texts.resize(static_cast<std::size_t>(processor.GetPieceSize()));
    for (int id = 0; id < processor.GetPieceSize(); ++id) {
      auto& text = texts[static_cast<std::size_t>(id)];
      const std::string& piece = processor.IdToPiece(id);
      if (processor.IsControl(id)) continue;
      if (processor.IsUnknown(id)) text = processor.DecodeIds({id});
      else if (processor.IsByte(id))
        text = static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16));  // "<0x0A>"
      else text = with_spaces(piece);
    }
  }
};

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_files(const std::map<std::string, std::string>& files, std::uint32_t vocab_size,
                                const std::string& where) {
  const auto model = files.find("tokenizer.model");
  if (model == files.end()) {
    if (files.contains("tokenizer.json"))
      throw Unsupported(where +
                        ": holds only tokenizer.json, which is not read; supported: a SentencePiece "
                        "tokenizer.model (Llama 1 and 2, Mistral v0.1); "
                        "or give token ids as a .u16 or .u32 file");
    throw FormatError(where +
                      ": expected tokenizer.model (SentencePiece), found no tokenizer; or give token ids as "
                      "a .u16 or .u32 file");
  }
  auto state = std::make_unique<State>();
  const auto status = state->processor.LoadFromSerializedProto(model->second);
  if (!status.ok() || state->processor.GetPieceSize() == 0)
    throw FormatError(where +
                      ": tokenizer.model is damaged or not a SentencePiece model (Llama 3 uses another "
                      "format under this name, which is not supported)");
  const auto size = static_cast<std::uint32_t>(state->processor.GetPieceSize());
  if (size > vocab_size)
    throw FormatError(where + ": tokenizer.model has " + std::to_string(size) +
                      " pieces, more than vocab_size " + std::to_string(vocab_size) +
                      " of config.json: it belongs to another model");
  state->add_bos = wants_bos(files, where);
  state->leading = find_leading_spaces(state->processor);
  state->read_texts();
  return Tokenizer(std::move(state));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  // The library would replace bad bytes without a word.
  if (const std::size_t at = find_invalid_utf8(text); at != std::string_view::npos)
    throw FormatError("[tokenizer] text is not UTF-8 at byte " + std::to_string(at));
  std::vector<int> pieces;
  if (const auto status = state_->processor.Encode(text, &pieces); !status.ok())
    throw Error("[tokenizer] encoding failed: " + status.ToString());
  if (add_special && state_->add_bos && bos_id() >= 0) pieces.insert(pieces.begin(), bos_id());
  return pieces;
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids) const {
  StreamDecoder decoder(*this);
  std::string out;
  for (const std::int32_t id : ids) out += decoder.push(id);
  return out + decoder.finish();
}

std::int32_t Tokenizer::bos_id() const { return state_->processor.bos_id(); }
std::int32_t Tokenizer::eos_id() const { return state_->processor.eos_id(); }
std::uint32_t Tokenizer::size() const { return static_cast<std::uint32_t>(state_->texts.size()); }

std::string StreamDecoder::push(std::int32_t id) {
  const Tokenizer::State& state = *tokenizer_.state_;
  if (id < 0 || static_cast<std::size_t>(id) >= state.texts.size()) return {};
  // Only byte tokens next to each other make a character together.
  const bool byte = state.processor.IsByte(id);
  std::string out = byte ? std::string() : take_text(held_, true);
  std::string_view text = state.texts[static_cast<std::size_t>(id)];
  // Spaces of byte tokens are literal; only those of pieces stand for the one that encoding puts in front.
  if (at_start_ && !text.empty()) {
    const bool strip = state.leading != LeadingSpaces::keep && !byte && !state.processor.IsUnknown(id) &&
                       text.front() == ' ';
    if (strip) text.remove_prefix(1);
    at_start_ = text.empty() && state.leading == LeadingSpaces::drop_all;
  }
  held_ += text;
  return out += take_text(held_, false);
}

std::string StreamDecoder::finish() {
  at_start_ = true;
  return take_text(held_, true);
}

}  // namespace apiq
