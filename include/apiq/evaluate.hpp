// Perplexity over consecutive windows, and how far a quantized model's predictions are from a reference
// model's.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "apiq/fields.hpp"
#include "apiq/model.hpp"
#include "apiq/progress.hpp"

namespace apiq {

struct PerplexityOptions {
  std::filesystem::path text;  // text, .jsonl or .u16/.u32 token ids
  std::string text_field = "text";
  std::uint32_t sequence_length = 0;  // 0: the smaller of 2048 and what the model takes
  std::uint32_t stride = 0;  // 0: sequence_length (no overlap); smaller: only the last `stride` tokens of a
                             // window are scored, all of the first
  std::uint64_t max_tokens = 0;  // 0: all

  template <class Visit>
  static void fields(Visit&& visit) {
    using P = PerplexityOptions;
    constexpr const char* kGroup = "Perplexity";
    visit(&P::text, Field{.name = "text",
                          .placeholder = "FILE",
                          .help = "text, .jsonl, or raw token ids .u16 / .u32",
                          .group = kGroup,
                          .required = true});
    visit(&P::text_field, Field{.name = "text-field",
                                .placeholder = "KEY",
                                .help = "field of a .jsonl line that holds the text",
                                .group = kGroup});
    visit(&P::sequence_length, Field{.name = "sequence-length",
                                     .placeholder = "N",
                                     .help = "tokens per window",
                                     .group = kGroup,
                                     .default_words = "2048, or what the model takes if less"});
    visit(&P::stride,
          Field{.name = "stride",
                .placeholder = "N",
                .help = "tokens from one window to the next; fewer than the length: only the last N of "
                        "a window count",
                .group = kGroup,
                .default_words = "the sequence length"});
    visit(&P::max_tokens, Field{.name = "max-tokens",
                                .placeholder = "N",
                                .help = "use only this many tokens of the text",
                                .group = kGroup,
                                .default_words = "all"});
  }
};

struct PerplexityResult {
  double perplexity = 0, mean_nll = 0;  // nats per predicted token
  std::uint64_t tokens = 0, windows = 0, predictions = 0;
  std::uint32_t sequence_length = 0, stride = 0;
  std::optional<double> kl_divergence;   // mean over predictions of KL(reference || model), nats
  std::optional<double> top1_agreement;  // share of predictions with the same most likely token
  double seconds = 0;
};

/// The protocol of the GPTQ line of papers: the whole text is encoded in one call (one BOS at the very
/// start), cut into consecutive windows, the partial last one dropped; every window's tokens 1 .. L-1 are
/// predicted. Throws InvalidArgument (window longer than the model takes, text shorter than a window),
/// IoError, FormatError, Interrupted.
PerplexityResult evaluate_perplexity(Model& model, const PerplexityOptions& options,
                                     Model* reference = nullptr, const Callbacks& callbacks = {});

}  // namespace apiq
