// Products with packed weights: single tokens read weights that lie in memory, not in a cache, as in a model
// whose linears take turns.
#include <memory>

#include "codec/codecs.hpp"
#include "ops/packed_buffers.hpp"
#include "tune/timing_cases.hpp"
#include "util/random.hpp"

namespace apiq::tuning {

namespace {

using runtime::DeviceTensor;
using runtime::Queue;

struct PackedShape {
  std::uint32_t tokens, out_features, in_features, bits, rank = 0;
};

/// Some matrix in this layout; its content does not matter for time.
PackedMatrix some_matrix(const PackedLayout& layout) {
  const CounterRandom random(2, layout.in_features);
  std::vector<float> values(std::size_t{layout.out_features} * layout.in_features);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.01f * random.uniform(i % 4099) - 0.005f;
  return layout.codec->encode(layout, values);
}

/// A weight with its LoRA.
struct Weight {
  Weight(Queue& queue, const PackedShape& s, const PackedMatrix& matrix)
      : buffers(queue, matrix), view(buffers.view()) {
    if (s.rank == 0) return;
    const PackedLayout& layout = matrix.layout;
    a = operand(queue, {s.rank, s.in_features}, DType::f16, 0.02f);
    b_t = operand(queue, {s.rank, layout.row_blocks() * kRowBlock}, DType::f16, 0.02f);
    lora = {s.rank, 0.25f, a, b_t};
  }

  ops::PackedBuffers buffers;
  DeviceTensor a, b_t;
  ops::PackedWeightView view;
  ops::LoraView lora;
};

/// Enough weights in turn to be past any last-level cache, within a fraction of the budget.
std::uint64_t copies(Queue& queue, const PackedShape& s, const PackedLayout& layout) {
  constexpr std::uint64_t kBeyondCaches = std::uint64_t{128} << 20;
  if (s.tokens > 1) return 1;
  return std::max<std::uint64_t>(
      1, std::min(kBeyondCaches, queue.device().budget().available_bytes() / 8) / layout.bytes());
}

/// backward: the gradient with respect to the activations, which has their shape.
TimingCase product(const PackedShape& s, bool backward = false) {
  const PackedLayout layout{s.out_features, s.in_features, s.bits, 64};
  const double tokens = s.tokens, in = s.in_features, out = s.out_features, rank = s.rank;
  return {std::to_string(s.bits) + " bits " + std::to_string(s.out_features) + "x" +
              std::to_string(s.in_features) + ", M " + std::to_string(s.tokens) +
              (s.rank != 0 ? ", rank " + std::to_string(s.rank) : ""),
          static_cast<double>(layout.bytes()) + 2 * rank * (in + out) + 4 * tokens * (in + out),
          2 * tokens * (in * out + rank * (in + out)), [=](Queue& queue) -> std::function<void()> {
            const auto weights = std::make_shared<std::vector<std::unique_ptr<Weight>>>();
            const std::uint64_t count = layout.bytes() < (1u << 20) ? 1 : copies(queue, s, layout);
            const PackedMatrix matrix = some_matrix(layout);
            for (std::uint64_t i = 0; i < count; ++i)
              weights->push_back(std::make_unique<Weight>(queue, s, matrix));
            const auto x = std::make_shared<DeviceTensor>(operand(queue, {s.tokens, s.in_features})),
                       y = std::make_shared<DeviceTensor>(operand(queue, {s.tokens, s.out_features}));
            return [=, &queue, next = std::size_t{0}]() mutable {
              const Weight& w = *(*weights)[next++ % weights->size()];
              if (backward) ops::qmatmul_bwd(queue, runtime::Rounding::none, w.view, w.lora, *y, *x);
              else ops::qmatmul(queue, runtime::Rounding::none, w.view, w.lora, *x, *y);
            };
          }};
}

}  // namespace

std::vector<TimingCase> packed_timing_cases(std::string_view program) {
  constexpr std::uint32_t n = 4096;
  if (program == "qgemv") return {product({1, n, n, 2}), product({1, n, n, 3}), product({1, n, n, 4})};
  if (program == "qgemm_bwd")
    return {product({128, n, n, 2}, true), product({128, n, n, 3}, true), product({16, n, n, 4}, true)};
  if (program == "qgemm")
    return {product({8, n, n, 2}), product({16, n, n, 4}), product({128, n, n, 2}), product({128, n, n, 3})};
  // Beside a weight of a single block of rows the preparation is what takes the time.
  if (program == "gemv_input") return {product({1, kRowBlock, n, 2}), product({1, kRowBlock, n, 2, 64})};
  if (program == "lora_down") return {product({8, kRowBlock, n, 2, 64}), product({128, kRowBlock, n, 2, 64})};
  if (program == "token_blocks") return {product({8, kRowBlock, n, 2}), product({128, kRowBlock, n, 2})};
  return {};
}

}  // namespace apiq::tuning
