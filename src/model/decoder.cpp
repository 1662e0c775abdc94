#include "model/decoder.hpp"

#include <algorithm>

#include "family/pre_norm_block.hpp"
#include "ops/argmax.hpp"
#include "ops/nn.hpp"

namespace apiq {

using model::Block;
using model::DecodeFormat;
using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

namespace {

/// Weights in all that are worth a second copy of them: beyond, launches are a small part of a token's time.
constexpr std::uint64_t kLargestCopy = 64 << 20;

bool one_buffer(const KvCache& cache, std::uint32_t first, std::uint32_t count) {
  return cache.layer(first).k.memory == cache.layer(first + count - 1).k.memory;
}

}  // namespace

Decoder::Decoder(const ModelImpl& model, const KvCache& cache, std::uint32_t max_tokens,
                 const std::vector<std::int32_t>& eos)
    : model_(model), cache_(cache), eos_(eos), rope_(model.rope(cache.capacity())) {
  const ModelConfig& config = model.config();
  auto& device = model.queue().device();
  hidden_ = DeviceTensor(device, model.activation_dtype(), {1, config.hidden_size}, "hidden state");
  logits_ = DeviceTensor(device, DType::f32, {1, config.vocab_size}, "logits");
  ids_ = DeviceTensor(device, DType::u32, {std::max(max_tokens, 2u)}, "generated ids");
  add_pieces();
}

void Decoder::add_pieces() {
  const auto& blocks = model_.blocks();
  std::uint64_t bytes = 0;
  for (const Block& block : blocks) bytes += model::decode_bytes(block);
  // The token kernel knows one block only.
  const bool copy = model_.config().block == pre_norm_block(model_.config()) && bytes <= kLargestCopy &&
                    bytes <= model_.queue().device().budget().available_bytes() / 4;
  for (std::uint32_t first = 0; first < blocks.size();) {
    const auto format = model::decode_format(blocks[first]);
    std::uint32_t count = 1;
    while (first + count < blocks.size() && model::decode_format(blocks[first + count]) == format &&
           one_buffer(cache_, first, count + 1))
      ++count;
    pieces_.push_back({first, count, copy && format ? fuse(first, count, *format) : nullptr, {}});
    if (!pieces_.back().fused)
      for (std::uint32_t i = first; i < first + count; ++i)
        pieces_.back().plans.emplace_back(model_.config().block, blocks[i], hidden_.dtype());
    first += count;
  }
}

std::unique_ptr<Decoder::Fused> Decoder::fuse(std::uint32_t first, std::uint32_t count,
                                              const DecodeFormat& format) {
  Queue& queue = model_.queue();
  const ModelConfig& config = model_.config();
  const bool whole = count == model_.blocks().size() && model_.embedding().dtype == model_.head().dtype;
  ops::DecodeShape shape{.blocks = count,
                         .hidden = config.hidden_size,
                         .heads = config.num_attention_heads,
                         .kv_heads = config.num_key_value_heads,
                         .head_dim = config.head_dim,
                         .intermediate = config.intermediate_size,
                         .vocab = config.vocab_size,
                         .capacity = cache_.capacity(),
                         .eps = config.rms_norm_eps,
                         .bits = format.bits,
                         .group_size = format.group_size,
                         .rank = 0,
                         .activations = hidden_.dtype(),
                         .table = model_.embedding().dtype};
  if (!ops::can_decode(queue, shape)) return nullptr;
  model::DecodeWeights weights(queue, std::span(model_.blocks()).subspan(first, count));
  shape.rank = weights.rank;
  const model::KvView kv = cache_.layer(first);
  for (std::uint32_t i = 0; i < count; ++i) {
    weights.table[i].k =
        static_cast<std::uint32_t>(cache_.layer(first + i).k.offset);  // a cache in one buffer is small
    weights.table[i].v = static_cast<std::uint32_t>(cache_.layer(first + i).v.offset);
  }
  ops::DecodeTensors tensors{.words = weights.words,
                             .halves = weights.halves,
                             .floats = weights.floats,
                             .k = kv.k,
                             .v = kv.v,
                             .cos = rope_->cos,
                             .sin = rope_->sin,
                             .x = hidden_,
                             .embedding = {},
                             .head = {},
                             .norm = {},
                             .logits = {},
                             .ids = {}};
  if (whole) {
    tensors.embedding = model_.embedding();
    tensors.head = model_.head();
    tensors.norm = model_.norm();
    tensors.logits = logits_;
    tensors.ids = ids_;
  }
  ops::Decode kernel(queue, shape, tensors, weights.table, eos_);
  return std::make_unique<Fused>(Fused{std::move(weights), std::move(kernel)});
}

bool Decoder::is_whole() const {
  return pieces_.size() == 1 && pieces_[0].fused && pieces_[0].fused->kernel.whole();
}

void Decoder::prefill(const std::vector<std::int32_t>& ids) {
  Queue& queue = model_.queue();
  runtime::Workspace::Scope scope(queue.workspace());
  const TensorView hidden =
      queue.workspace().allocate(hidden_.dtype(), {ids.size(), model_.config().hidden_size});
  model_.forward(ids, &cache_, 0, hidden);
  model_.logits(hidden.rows(ids.size() - 1, 1), logits_);
  position_ = static_cast<std::uint32_t>(ids.size());
}

void Decoder::choose_first() { ops::argmax(model_.queue(), logits_, ids_.view().rows(0, 1)); }

void Decoder::run_ahead(std::uint32_t tokens) {
  if (is_whole()) {
    pieces_[0].fused->kernel.run(position_, tokens, done_);
    position_ += tokens;
    done_ += tokens;
    return;
  }
  for (std::uint32_t i = 0; i < tokens; ++i) {
    run_one(done_);
    ops::argmax(model_.queue(), logits_, ids_.view().rows(++done_, 1));
  }
}

void Decoder::feed(std::int32_t id) {
  const TensorView first = ids_.view().rows(0, 1);
  model_.queue().write(first, &id);
  if (is_whole()) pieces_[0].fused->kernel.run(position_++, 1, 0);
  else run_one(0);
}

void Decoder::run_one(std::uint32_t index) {
  Queue& queue = model_.queue();
  ops::embedding_fwd(queue, model_.embedding(), ids_.view().rows(index, 1), hidden_);
  for (const Piece& piece : pieces_) {
    if (piece.fused) {
      piece.fused->kernel.run(position_);
      continue;
    }
    for (std::uint32_t i = 0; i < piece.count; ++i)
      piece.plans[i].run(queue, *rope_, hidden_, cache_.layer(piece.first + i), position_);
  }
  model_.logits(hidden_, logits_);
  ++position_;
}

}  // namespace apiq
