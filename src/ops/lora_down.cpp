#include "ops/qmatmul_parts.hpp"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;
using runtime::round_up;
using runtime::value_of;
using runtime::operator+;

static_assert(sizeof(LoraDownArgs) == 9 * 4 && std::is_trivially_copyable_v<LoraDownArgs>);

void lora_down(Queue& queue, const LoraView& lora, const TensorView& x, std::uint32_t block_tokens,
               const TensorView& t) {
  LoraDownArgs a{};
  a.num_tokens = static_cast<std::uint32_t>(x.shape[0]);
  a.in_features = static_cast<std::uint32_t>(x.shape[1]);
  a.rank = lora.rank;
  a.A_stride = static_cast<std::uint32_t>(lora.A.shape[1]);
  a.block_tokens = block_tokens;
  a.scaling = lora.scaling;
  a.x = offset32(kQmatmul, "x", x);
  a.lora_A = offset32(kQmatmul, "lora_A", lora.A);
  a.t = offset32(kQmatmul, "t", t);
  const Macros tuned = queue.tuned("lora_down");
  const auto ranks = static_cast<std::size_t>(value_of(tuned, "R")),
             lanes = static_cast<std::size_t>(value_of(tuned, "LANES_K"));
  const auto tokens_per_item = static_cast<std::size_t>(value_of(tuned, "T"));
  const std::size_t tokens = round_up(a.num_tokens, block_tokens);  // also writes the zeros of the last block
  queue.launch("lora_down", "lora_down", Macros{{"X_HALF", is_half(x)}} + tuned,
               {{lanes, round_up(a.rank, ranks) / ranks, round_up(tokens, tokens_per_item) / tokens_per_item},
                {lanes, 1, 1}},
               {Arg::value(a), x, lora.A, t});
}

}  // namespace apiq::ops
