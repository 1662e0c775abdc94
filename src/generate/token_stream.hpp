// The tokens after a prompt, one by one: chosen by the device, which then runs ahead of whoever reads them,
// or by the host.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "generate/sampler.hpp"
#include "model/decoder.hpp"
#include "runtime/event.hpp"

namespace apiq::generate_detail {

class TokenStream {
 public:
  virtual ~TokenStream() = default;
  /// The next token. At most as many calls as the decoder has room for. Throws Error for logits that are not
  /// finite.
  virtual std::int32_t next() = 0;
};

/// temperature 0: the ids never leave the device on their way from one token to the next. The host reads them
/// in batches, one batch behind, and drops what was computed past the end of the text.
class GreedyStream : public TokenStream {
 public:
  /// After decoder.prefill(); `tokens` at most.
  GreedyStream(runtime::Queue& queue, Decoder& decoder, std::uint32_t tokens);
  std::int32_t next() override;

 private:
  /// Ids on their way to the host. Outlives its read, also where a constructor or another batch fails.
  struct Batch {
    Batch() = default;
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    runtime::Event read;
    std::vector<std::int32_t> ids;
  };
  /// Enqueues the next batch, if any tokens are left.
  void start(Batch& batch);

  runtime::Queue& queue_;
  Decoder& decoder_;
  std::uint32_t left_, started_ = 0;  // tokens to enqueue; tokens enqueued
  std::uint32_t batch_tokens_ = 1;
  std::chrono::steady_clock::time_point last_done_;
  std::array<Batch, 2> batches_;
  std::size_t current_ = 0, at_ = 0;  // batch being handed out, and how far
};

/// temperature > 0: the host draws from each token's logits. The same numbers as ever come out of a seed
/// (double precision, a sort), which no device without either could promise; what the device computes
/// meanwhile is nothing, since it waits for the choice.
class SampledStream : public TokenStream {
 public:
  SampledStream(runtime::Queue& queue, Decoder& decoder, const GenerateOptions& options)
      : queue_(queue), decoder_(decoder), sampler_(options) {}
  std::int32_t next() override;

 private:
  runtime::Queue& queue_;
  Decoder& decoder_;
  Sampler sampler_;
  bool first_ = true;
  std::int32_t last_ = 0;
  std::vector<float> logits_;
};

}  // namespace apiq::generate_detail
