// Text <-> token ids, from the tokenizer files of a model (SentencePiece tokenizer.model through the
// sentencepiece library).
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace apiq {

class Tokenizer {
 public:
  /// From a model's side files (name -> bytes): needs tokenizer.model; reads add_bos_token of
  /// tokenizer_config.json (default true). vocab_size is the model's: ids of the tokenizer must be below it.
  /// `where` names the model in errors. Throws FormatError (missing, damaged, larger than the vocabulary),
  /// Unsupported (only tokenizer.json present).
  static Tokenizer from_files(const std::map<std::string, std::string>& files, std::uint32_t vocab_size,
                              const std::string& where);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// One encode call: a single BOS in front if the model wants one and add_special is set; never an EOS. Text
  /// such as "</s>" is encoded as the characters it is: a prompt cannot smuggle in control tokens. Throws
  /// FormatError if text is not UTF-8.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special = true) const;
  /// Valid UTF-8: bytes that make no character become U+FFFD. Control tokens and ids without a piece (padding
  /// rows of the vocabulary) give no text.
  std::string decode(const std::vector<std::int32_t>& ids) const;
  std::int32_t bos_id() const;  // -1: none
  std::int32_t eos_id() const;  // -1: none
  std::uint32_t size() const;

 private:
  friend class StreamDecoder;
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Decodes a growing sequence for printing: returns only complete UTF-8, holds back what may still change.
/// What push and finish return, joined, is decode() of all ids. Constant time per token.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// Text to print after this token; may be empty.
  std::string push(std::int32_t id);
  /// What was held back: U+FFFD per byte of a character that was never completed. Ready for a new sequence
  /// afterwards.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::string held_;      // beginning of a character whose other bytes are still to come
  bool at_start_ = true;  // the space that encoding put before the first word is still to be dropped
};

}  // namespace apiq
