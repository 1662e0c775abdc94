#include "ops/qmatmul_parts.hpp"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;
using runtime::round_up;
using runtime::value_of;
using runtime::operator+;

void token_blocks(Queue& queue, const TensorView& x, std::uint64_t block_tokens, const TensorView& out) {
  QmatmulInputArgs a{};
  a.num_tokens = static_cast<std::uint32_t>(x.shape[0]);
  a.in_features = static_cast<std::uint32_t>(x.shape[1]);
  a.padded_features = static_cast<std::uint32_t>(out.shape[1]);
  a.x = offset32(kQmatmul, "x", x);
  a.out = offset32(kQmatmul, "out", out);
  const Macros tuned = queue.tuned("token_blocks");
  const auto ls = static_cast<std::size_t>(value_of(tuned, "LS")),
             features = static_cast<std::size_t>(value_of(tuned, "FEATURES"));
  queue.launch(
      "token_blocks", "token_blocks",
      Macros{{"X_HALF", is_half(x)}, {"TOKENS", static_cast<int>(block_tokens)}} + tuned,
      {{round_up(round_up(a.padded_features, features) / features, ls), out.shape[0], 1}, {ls, 1, 1}},
      {Arg::value(a), x, out});
}

std::uint64_t choose_block(std::uint64_t num_tokens, std::uint64_t smallest, std::uint64_t largest) {
  std::uint64_t block = smallest;
  while (block < num_tokens && block < largest) block *= 2;
  return block;
}

std::uint64_t qmatmul_scratch_bytes(std::uint64_t num_tokens, std::uint64_t in_features, std::uint64_t rank) {
  constexpr std::uint64_t kLargestBlock = 64;  // of tokens: above what any preset has
  return sizeof(float) * round_up(num_tokens, kLargestBlock) *
         (round_up(in_features, std::uint64_t{kChunk}) + rank);
}

void qgemm(Queue& queue, const PackedWeightView& w, const LoraView& lora, const TensorView& x,
           const TensorView& y) {
  const Macros tuned = queue.tuned("qgemm");
  const std::uint64_t block =
      choose_block(x.shape[0], 4, static_cast<std::uint64_t>(value_of(tuned, "MAX_TOKENS")));
  const std::uint64_t blocks = (x.shape[0] + block - 1) / block;
  runtime::Workspace::Scope scope(queue.workspace());
  const TensorView blocked_x =
      queue.workspace().allocate(DType::f32, {blocks, w.layout.chunks() * kChunk, block});
  TensorView lora_t;
  token_blocks(queue, x, block, blocked_x);
  if (lora.rank != 0) {
    lora_t = queue.workspace().allocate(DType::f32, {blocks, lora.rank, block});
    lora_down(queue, lora, x, static_cast<std::uint32_t>(block), lora_t);
  }

  QmatmulArgs a = qmatmul_args(w, lora, x, y);
  a.x = offset32(kQmatmul, "blocked_x", blocked_x);
  a.lora_t = offset32(kQmatmul, "lora_t", lora_t);
  const auto ls = static_cast<std::size_t>(value_of(tuned, "LS")),
             ks = static_cast<std::size_t>(value_of(tuned, "KS"));
  const auto rows = static_cast<std::size_t>(value_of(tuned, "VW") * value_of(tuned, "RV"));
  const Macros meaning{{"ALIGNED", w.layout.group_size % kChunk == 0},
                       {"TOKENS", static_cast<int>(block)},
                       {"Y_HALF", is_half(y)}};
  queue.launch("qgemm", "qgemm", codec_macros(w) + meaning + tuned,
               {{round_up(a.padded_rows / rows, ls), ks, blocks}, {ls, ks, 1}},
               {Arg::value(a), w.qweight, w.scales, w.qzeros, blocked_x, lora_t, lora.B_t, y});
}

}  // namespace apiq::ops
