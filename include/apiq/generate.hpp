// Text generation with a KV cache on the device.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "apiq/fields.hpp"
#include "apiq/model.hpp"
#include "apiq/progress.hpp"

namespace apiq {

struct GenerateOptions {
  std::string prompt;  // may be empty: starts from BOS alone
  std::uint32_t max_tokens = 128;
  float temperature = 0.0f;  // 0: greedy
  std::uint32_t top_k = 0;   // 0: all
  float top_p = 1.0f;
  std::uint64_t seed = 0;
  bool ignore_eos = false;  // go on after an end-of-text token

  template <class Visit>
  static void fields(Visit&& visit) {
    using G = GenerateOptions;
    constexpr const char *kText = "Text", *kSampling = "Sampling";
    visit(&G::prompt, Field{.name = "prompt",
                            .placeholder = "TEXT",
                            .help = "text to continue; '' starts from the begin-of-text token alone",
                            .group = kText});
    visit(
        &G::max_tokens,
        Field{
            .name = "max-tokens", .placeholder = "N", .help = "tokens to generate at most", .group = kText});
    visit(&G::ignore_eos,
          Field{.name = "ignore-eos", .help = "go on after an end-of-text token", .group = kText});
    visit(&G::temperature,
          Field{.name = "temperature", .placeholder = "X", .help = "0 = greedy", .group = kSampling});
    visit(&G::top_k, Field{.name = "top-k",
                           .placeholder = "N",
                           .help = "sample among the N most likely tokens; 0 = all",
                           .group = kSampling});
    visit(&G::top_p,
          Field{.name = "top-p",
                .placeholder = "X",
                .help = "sample among the most likely tokens that hold this share of the probability",
                .group = kSampling,
                .range = {.most = 1, .above_least = true}});
    visit(&G::seed, Field{.name = "seed",
                          .placeholder = "N",
                          .help = "same seed, same device, same text",
                          .group = "Result and log"});
  }
};

struct GenerateResult {
  std::string text;          // without the prompt
  std::uint64_t tokens = 0;  // generated
  std::uint64_t prompt_tokens = 0;
  double prefill_tokens_per_second = 0, decode_tokens_per_second = 0;
  double weight_bytes_per_second = 0;  // weights read per generated token times the decode rate
  double seconds = 0;
};

/// on_text receives complete UTF-8 pieces as they are known; their concatenation is GenerateResult::text.
/// Throws InvalidArgument (prompt and max_tokens past the model's context, sampling options out of range),
/// Interrupted.
GenerateResult generate(Model& model, const GenerateOptions& options,
                        const std::function<void(const std::string&)>& on_text = {},
                        const Callbacks& callbacks = {});

}  // namespace apiq
