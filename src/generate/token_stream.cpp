#include "generate/token_stream.hpp"

#include <algorithm>

#include "ops/argmax.hpp"

namespace apiq::generate_detail {

namespace {
// A batch is long enough to make its launch and read cheap, short enough that text flows and little is
// computed past its end.
constexpr std::chrono::milliseconds kBatchTime{2};
constexpr std::uint32_t kLargestBatch = 16;
}  // namespace

GreedyStream::GreedyStream(runtime::Queue& queue, Decoder& decoder, std::uint32_t tokens)
    : queue_(queue), decoder_(decoder), left_(tokens) {
  decoder_.choose_first();
  last_done_ = std::chrono::steady_clock::now();
  for (Batch& batch : batches_) start(batch);
}

GreedyStream::Batch::~Batch() {
  try {
    read.wait();
  } catch (...) {
    // The device failed: whoever waits for it otherwise says so.
  }
}

void GreedyStream::start(Batch& batch) {
  const std::uint32_t tokens = std::min(left_, batch_tokens_);
  batch.ids.resize(tokens);
  if (tokens == 0) return;
  const bool first = started_ == 0;  // the first token came out of the prompt
  if (const std::uint32_t computed = first ? tokens - 1 : tokens; computed != 0) decoder_.run_ahead(computed);
  batch.read = queue_.start_read(decoder_.ids().rows(started_, tokens), batch.ids.data());
  left_ -= tokens;
  started_ += tokens;
}

std::int32_t GreedyStream::next() {
  if (at_ == batches_[current_].ids.size()) {
    start(batches_[current_]);
    current_ = 1 - current_;
    at_ = 0;
  }
  Batch& batch = batches_[current_];
  if (at_ == 0) {
    batch.read.wait();
    const auto now = std::chrono::steady_clock::now();
    if (now - last_done_ < kBatchTime) batch_tokens_ = std::min(2 * batch_tokens_, kLargestBatch);
    last_done_ = now;
  }
  const std::int32_t id = batch.ids[at_++];
  if (static_cast<std::uint32_t>(id) == ops::kNotFinite) throw_not_finite();
  return id;
}

std::int32_t SampledStream::next() {
  if (!first_) decoder_.feed(last_);
  first_ = false;
  logits_.resize(decoder_.logits().elements());
  queue_.read(decoder_.logits(), logits_.data());
  return last_ = sampler_.choose(logits_);
}

}  // namespace apiq::generate_detail
