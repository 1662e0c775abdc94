// One token after another over the cache, without the host between them: ids stay on the device, each token's
// greedy successor is the input of the next. Blocks the token kernel takes (ops/decode.hpp) run there, whole
// models in one launch for several tokens; the rest as in a prompt.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "model/decode_plan.hpp"
#include "model/decode_weights.hpp"
#include "model/model_impl.hpp"

namespace apiq {

class Decoder {
 public:
  /// For at most so many tokens. What follows one of `eos` need not be computed; none of them may occur in a
  /// text that goes on. The model and the cache must outlive it. Throws OutOfDeviceMemory.
  Decoder(const ModelImpl& model, const KvCache& cache, std::uint32_t max_tokens,
          const std::vector<std::int32_t>& eos = {});

  /// The prompt at positions 0 ..; logits are those after its last token. Enqueued.
  void prefill(const std::vector<std::int32_t>& ids);
  /// ids[0] = the greedy choice from the logits, or ops::kNotFinite. Enqueued.
  void choose_first();
  /// The next `tokens` tokens after what was computed: inputs ids[done] .., successors into ids[done + 1] ...
  /// Past an end of text or logits that are not finite they are undefined. Enqueued.
  void run_ahead(std::uint32_t tokens);
  /// One token whose id the host chose; logits are those after it. Enqueued.
  void feed(std::int32_t id);

  /// f32 [1, vocab_size]
  const runtime::TensorView& logits() const { return logits_; }
  /// u32 [max_tokens]
  const runtime::TensorView& ids() const { return ids_; }
  /// All of the model runs in the token kernel.
  bool is_whole() const;

 private:
  struct Fused {
    model::DecodeWeights weights;
    ops::Decode kernel;
  };
  struct Piece {
    std::uint32_t first, count;
    std::unique_ptr<Fused> fused;          // empty: block by block
    std::vector<model::DecodePlan> plans;  // then of each block
  };
  void add_pieces();
  std::unique_ptr<Fused> fuse(std::uint32_t first, std::uint32_t count, const model::DecodeFormat& format);
  void run_one(std::uint32_t index);

  const ModelImpl& model_;
  const KvCache& cache_;
  std::vector<std::int32_t> eos_;
  std::shared_ptr<const model::RopeTables> rope_;
  std::uint32_t position_ = 0, done_ = 0;  // of the next token; tokens computed after the prompt
  runtime::DeviceTensor hidden_, logits_, ids_;
  std::vector<Piece> pieces_;
};

}  // namespace apiq
