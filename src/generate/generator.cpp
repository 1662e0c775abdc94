// apiq::generate: the prompt in one pass, then one token at a time over the KV cache.
#include <algorithm>
#include <chrono>
#include <memory>

#include "apiq/error.hpp"
#include "apiq/generate.hpp"
#include "generate/token_stream.hpp"

namespace apiq {

using generate_detail::GreedyStream;
using generate_detail::SampledStream;
using generate_detail::Sampler;
using generate_detail::TokenStream;

namespace {

using Clock = std::chrono::steady_clock;
double seconds_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

std::vector<std::int32_t> prompt_ids(const ModelImpl& model, const std::string& prompt) {
  auto ids = model.tokenizer().encode(prompt);
  if (ids.empty())
    throw InvalidArgument(
        "[--prompt] the prompt is empty and this model has no BOS token to start from; give some text");
  return ids;
}

/// Throws InvalidArgument unless the prompt and all new tokens have a position.
void check_length(const ModelImpl& model, std::size_t prompt_tokens, std::uint32_t max_tokens) {
  const std::uint64_t limit = model.config().max_position_embeddings;
  if (max_tokens == 0) throw InvalidArgument("[--max-tokens] expected at least 1, found 0");
  if (prompt_tokens + max_tokens <= limit + 1) return;
  throw InvalidArgument("[--max-tokens] " + std::to_string(prompt_tokens) + " prompt tokens and " +
                        std::to_string(max_tokens) + " new ones pass the model's context of " +
                        std::to_string(limit) + "; use at most " +
                        std::to_string(prompt_tokens <= limit ? limit + 1 - prompt_tokens : 0));
}

std::unique_ptr<TokenStream> open_stream(const ModelImpl& model, Decoder& decoder,
                                         const GenerateOptions& options) {
  if (options.temperature != 0) return std::make_unique<SampledStream>(model.queue(), decoder, options);
  return std::make_unique<GreedyStream>(model.queue(), decoder, options.max_tokens);
}

}  // namespace

GenerateResult generate(Model& model, const GenerateOptions& options,
                        const std::function<void(const std::string&)>& on_text, const Callbacks& callbacks) {
  const auto begin = Clock::now();
  const ModelImpl& impl = model.impl();
  Sampler{options};  // throws before anything is computed
  const auto prompt = prompt_ids(impl, options.prompt);
  check_length(impl, prompt.size(), options.max_tokens);
  const KvCache cache(impl.queue(), impl.config(),
                      static_cast<std::uint32_t>(prompt.size() + options.max_tokens - 1),
                      impl.activation_dtype());
  const auto eos = options.ignore_eos ? std::vector<std::int32_t>{} : impl.config().eos_token_ids;
  // Where the host draws, only the host knows that a text ends.
  Decoder decoder(impl, cache, options.max_tokens,
                  options.temperature == 0 ? eos : std::vector<std::int32_t>{});

  GenerateResult result;
  result.prompt_tokens = prompt.size();
  StreamDecoder text(impl.tokenizer());
  for (const std::int32_t id : prompt)
    text.push(id);  // so that the first new token is decoded in its context
  const auto emit = [&](const std::string& piece) {
    result.text += piece;
    if (on_text && !piece.empty()) on_text(piece);
  };
  impl.queue().finish();  // what is compiled and copied for decoding is no part of the prompt's time
  const auto prefill_begin = Clock::now();
  decoder.prefill(prompt);
  impl.queue().finish();
  const auto prefill_end = Clock::now();
  const auto stream = open_stream(impl, decoder, options);
  for (;;) {
    const std::int32_t id = stream->next();
    if (std::find(eos.begin(), eos.end(), id) != eos.end()) break;
    ++result.tokens;
    emit(text.push(id));
    if (result.tokens == options.max_tokens) break;
    if (callbacks.stop != nullptr && callbacks.stop->load())
      throw Interrupted("interrupted after " + std::to_string(result.tokens) + " tokens");
  }
  const auto end = Clock::now();
  emit(text.finish());
  result.prefill_tokens_per_second =
      static_cast<double>(prompt.size()) / seconds_between(prefill_begin, prefill_end);
  // The first new token comes out of the prefill.
  const double decoded = result.tokens > 1 ? static_cast<double>(result.tokens - 1) : 0;
  result.decode_tokens_per_second = decoded > 0 ? decoded / seconds_between(prefill_end, end) : 0;
  result.weight_bytes_per_second =
      result.decode_tokens_per_second * static_cast<double>(model.summary().weight_bytes);
  result.seconds = seconds_between(begin, end);
  return result;
}

}  // namespace apiq
