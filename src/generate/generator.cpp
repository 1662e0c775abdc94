// apiq::generate: the prompt in one pass, then one token at a time over the KV cache.
#include <algorithm>
#include <chrono>

#include "apiq/error.hpp"
#include "apiq/generate.hpp"
#include "generate/sampler.hpp"
#include "model/model_impl.hpp"

namespace apiq {

using generate_detail::Sampler;
using runtime::Queue;
using runtime::TensorView;
using runtime::Workspace;

namespace {

using Clock = std::chrono::steady_clock;
double seconds_between(Clock::time_point a, Clock::time_point b) { return std::chrono::duration<double>(b - a).count(); }

std::vector<std::int32_t> prompt_ids(const ModelImpl& model, const std::string& prompt) {
  auto ids = model.tokenizer().encode(prompt);
  if (ids.empty()) throw InvalidArgument("[--prompt] the prompt is empty and this model has no BOS token to start from; give some text");
  return ids;
}

/// Logits of the last of these tokens, on the host.
std::vector<float> next_logits(const ModelImpl& model, KvCache& cache, const std::vector<std::int32_t>& ids, std::uint32_t first_position) {
  Queue& queue = model.queue();
  Workspace::Scope scope(queue.workspace());
  const TensorView hidden = queue.workspace().allocate(model.activation_dtype(), {ids.size(), model.config().hidden_size});
  const TensorView logits = queue.workspace().allocate(DType::f32, {1, model.config().vocab_size});
  model.forward(ids, &cache, first_position, hidden);
  model.logits(hidden.rows(ids.size() - 1, 1), logits);
  return runtime::read_floats(queue, logits);
}

}  // namespace

GenerateResult generate(Model& model, const GenerateOptions& options, const std::function<void(const std::string&)>& on_text,
                        const Callbacks& callbacks) {
  const auto begin = Clock::now();
  const ModelImpl& impl = model.impl();
  Sampler sampler(options);
  const auto prompt = prompt_ids(impl, options.prompt);
  const std::uint64_t limit = impl.config().max_position_embeddings;
  if (options.max_tokens == 0) throw InvalidArgument("[--max-tokens] expected at least 1, found 0");
  if (prompt.size() + options.max_tokens > limit + 1)
    throw InvalidArgument("[--max-tokens] " + std::to_string(prompt.size()) + " prompt tokens and " + std::to_string(options.max_tokens) +
                          " new ones pass the model's context of " + std::to_string(limit) + "; use at most " +
                          std::to_string(prompt.size() <= limit ? limit + 1 - prompt.size() : 0));
  const auto capacity = static_cast<std::uint32_t>(prompt.size() + options.max_tokens - 1);
  KvCache cache(impl.queue(), impl.config(), capacity, impl.activation_dtype());

  GenerateResult result;
  result.prompt_tokens = prompt.size();
  StreamDecoder decoder(impl.tokenizer());
  for (const std::int32_t id : prompt) decoder.push(id);  // so that the first new token is decoded in its context
  const auto emit = [&](const std::string& text) {
    result.text += text;
    if (on_text && !text.empty()) on_text(text);
  };
  const auto prefill_begin = Clock::now();
  std::vector<float> logits = next_logits(impl, cache, prompt, 0);
  const auto prefill_end = Clock::now();
  const auto& eos = impl.config().eos_token_ids;
  for (auto position = static_cast<std::uint32_t>(prompt.size());; ++position) {
    const std::int32_t id = sampler.choose(logits);
    if (options.stop_at_eos && std::find(eos.begin(), eos.end(), id) != eos.end()) break;
    ++result.tokens;
    emit(decoder.push(id));
    if (result.tokens == options.max_tokens) break;
    if (callbacks.stop != nullptr && callbacks.stop->load()) throw Interrupted("interrupted after " + std::to_string(result.tokens) + " tokens");
    logits = next_logits(impl, cache, {id}, position);
  }
  const auto end = Clock::now();
  emit(decoder.finish());
  result.prefill_tokens_per_second = static_cast<double>(prompt.size()) / seconds_between(prefill_begin, prefill_end);
  // The first new token comes out of the prefill.
  const double decoded = result.tokens > 1 ? static_cast<double>(result.tokens - 1) : 0;
  result.decode_tokens_per_second = decoded > 0 ? decoded / seconds_between(prefill_end, end) : 0;
  result.weight_bytes_per_second = result.decode_tokens_per_second * static_cast<double>(model.summary().weight_bytes);
  result.seconds = seconds_between(begin, end);
  return result;
}

}  // namespace apiq
