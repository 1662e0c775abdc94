// Perplexity, and divergence from a reference model, window by window.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "apiq/error.hpp"
#include "apiq/evaluate.hpp"
#include "model/model_impl.hpp"
#include "ops/nn.hpp"
#include "tokenizer/token_file.hpp"

namespace apiq {

namespace {

using runtime::Queue;
using runtime::TensorView;
using runtime::Workspace;

/// Logits of this many rows are in memory at once: a 128k vocabulary then takes 64 MiB.
constexpr std::uint64_t kLogitRows = 128;

struct Totals {
  double nll = 0, kl = 0;
  std::uint64_t predictions = 0, agreements = 0;
};

struct Window {
  std::uint64_t begin = 0;         // first token
  std::uint64_t first_scored = 1;  // of the window's tokens, these and later ones are predicted
};

std::vector<Window> cut_windows(std::uint64_t num_tokens, std::uint64_t length, std::uint64_t stride) {
  std::vector<Window> out;
  for (std::uint64_t begin = 0; begin + length <= num_tokens; begin += stride)
    out.push_back({begin, begin == 0 || stride == length ? 1 : length - stride});
  return out;
}

template <class T>
std::vector<T> read(Queue& queue, const TensorView& view) {
  std::vector<T> out(view.elements());
  queue.read(view, out.data());
  return out;
}

/// Adds one window's predictions to the totals.
void score(const ModelImpl& model, const ModelImpl* reference, const std::vector<std::int32_t>& ids,
           std::uint64_t first_scored, Totals& totals) {
  Queue& queue = model.queue();
  Workspace::Scope scope(queue.workspace());
  const auto scratch = [&](DType dtype, const Shape& shape) {
    return queue.workspace().allocate(dtype, shape);
  };
  const std::uint64_t length = ids.size(), vocab = model.config().vocab_size;
  const TensorView hidden = scratch(model.activation_dtype(), {length, model.config().hidden_size});
  model.forward(ids, nullptr, 0, hidden);
  TensorView reference_hidden;
  if (reference != nullptr) {
    reference_hidden = scratch(reference->activation_dtype(), {length, reference->config().hidden_size});
    reference->forward(ids, nullptr, 0, reference_hidden);
  }
  const TensorView targets = scratch(DType::u32, {length});
  queue.write(targets, ids.data());
  for (std::uint64_t first = first_scored; first < length; first += kLogitRows) {
    Workspace::Scope rows_scope(queue.workspace());
    const std::uint64_t rows = std::min(kLogitRows, length - first);
    const TensorView logits = scratch(DType::f32, {rows, vocab}), loss = scratch(DType::f32, {rows}),
                     top = scratch(DType::u32, {rows});
    model.logits(hidden.rows(first - 1, rows), logits);
    ops::cross_entropy_fwd(queue, logits, targets.rows(first, rows), loss, top);
    for (const float value : read<float>(queue, loss)) totals.nll += value;
    totals.predictions += rows;
    if (reference == nullptr) continue;
    const TensorView other = scratch(DType::f32, {rows, vocab}), other_top = scratch(DType::u32, {rows});
    reference->logits(reference_hidden.rows(first - 1, rows), other);
    ops::kl_divergence_fwd(queue, other, logits, loss);
    for (const float value : read<float>(queue, loss)) totals.kl += value;
    ops::cross_entropy_fwd(queue, other, targets.rows(first, rows), loss, other_top);
    const auto a = read<std::uint32_t>(queue, top), b = read<std::uint32_t>(queue, other_top);
    for (std::uint64_t i = 0; i < rows; ++i) totals.agreements += a[i] == b[i];
  }
}

}  // namespace

PerplexityResult evaluate_perplexity(Model& model, const PerplexityOptions& options, Model* reference,
                                     const Callbacks& callbacks) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const ModelImpl& impl = model.impl();
  const std::uint32_t limit = impl.config().max_position_embeddings;
  const std::uint32_t length =
      options.sequence_length != 0 ? options.sequence_length : std::min(2048u, limit);
  const std::uint32_t stride = options.stride != 0 ? options.stride : length;
  if (length < 2 || length > limit)
    throw InvalidArgument("[--sequence-length] expected 2 to " + std::to_string(limit) +
                          " (the model's max_position_embeddings), found " + std::to_string(length));
  if (stride > length)
    throw InvalidArgument("[--stride] expected at most the sequence length " + std::to_string(length) +
                          ", found " + std::to_string(stride));
  if (reference != nullptr && &reference->impl().queue() != &impl.queue())
    throw InvalidArgument("[--reference] " + reference->summary().path +
                          " is on another opened device than the model; load both on the same Device");
  if (reference != nullptr && reference->impl().config().vocab_size != impl.config().vocab_size)
    throw InvalidArgument("[--reference] " + reference->summary().path + " has a vocabulary of " +
                          std::to_string(reference->impl().config().vocab_size) + ", the model " +
                          std::to_string(impl.config().vocab_size) + "; KL divergence needs the same");
  auto tokens = load_tokens(options.text, holds_token_ids(options.text) ? nullptr : &impl.tokenizer(),
                            impl.config().vocab_size, options.text_field);
  if (options.max_tokens != 0 && tokens.size() > options.max_tokens) tokens.resize(options.max_tokens);
  const auto windows = cut_windows(tokens.size(), length, stride);
  if (windows.empty())
    throw InvalidArgument(options.text.string() + ": " + std::to_string(tokens.size()) +
                          " tokens are less than one window of " + std::to_string(length) +
                          "; give more text or a smaller --sequence-length");

  Totals totals;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (callbacks.stop != nullptr && callbacks.stop->load())
      throw Interrupted("interrupted after " + std::to_string(i) + " windows");
    const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(windows[i].begin);
    score(impl, reference != nullptr ? &reference->impl() : nullptr, {first, first + length},
          windows[i].first_scored, totals);
    if (!std::isfinite(totals.nll))
      throw Error("[eval] window " + std::to_string(i) +
                  " has a loss that is not finite: the model's weights are damaged or overflow; check it "
                  "with apiq-inspect --verify");
    if (callbacks.progress) callbacks.progress({"perplexity", i + 1, windows.size(), elapsed()});
  }
  PerplexityResult result;
  const auto count = static_cast<double>(totals.predictions);
  result.mean_nll = totals.nll / count;
  result.perplexity = std::exp(result.mean_nll);
  result.tokens = tokens.size();
  result.windows = windows.size();
  result.predictions = totals.predictions;
  result.sequence_length = length;
  result.stride = stride;
  if (reference != nullptr) {
    result.kl_divergence = totals.kl / count;
    result.top1_agreement = static_cast<double>(totals.agreements) / count;
  }
  result.seconds = elapsed();
  return result;
}

}  // namespace apiq
