#include "quant/linear_gradients.hpp"

#include "ops/gemm.hpp"
#include "ops/nn.hpp"

namespace apiq::quant {

using runtime::Workspace;

LinearGradients::LinearGradients(Queue& queue, ClippedGrid& grid, LoraState& lora, const Shape& weight_shape)
    : queue_(queue),
      grid_(grid),
      lora_(lora),
      what_(queue.device(), DType::f32, weight_shape, "fake-quantized weight"),
      d_what_(queue.device(), DType::f32, weight_shape, "weight gradient"),
      d_logits_(queue.device(), DType::f32, grid.logits().shape, "logit gradients") {}

void LinearGradients::compute(const TensorView& x, const TensorView& target, const TensorView& loss) {
  Workspace::Scope scope(queue_.workspace());
  const std::uint64_t tokens = x.shape[0], out = target.shape[1], rank = lora_.rank();
  const float c = lora_.scaling();
  const auto scratch = [&](std::uint64_t features) { return queue_.workspace().allocate(DType::f32, {tokens, features}); };

  grid_.fake_quantize(what_);
  const TensorView y = scratch(out);
  ops::matmul_nt(queue_, x, what_, y);
  const TensorView t = rank != 0 ? scratch(rank) : TensorView{};
  if (rank != 0) {
    ops::matmul_nt(queue_, x, lora_.A(), t);
    ops::matmul_nt(queue_, t, lora_.B(), y, c, 1.0f);
  }
  const TensorView& d_y = y;  // in place
  ops::squared_error(queue_, y, target, 2.0f / static_cast<float>(tokens * out), d_y, loss);
  ops::matmul_tn(queue_, d_y, x, d_what_);
  grid_.backward(d_what_, d_logits_);
  if (rank == 0) return;
  ops::matmul_tn(queue_, d_y, t, lora_.dB(), c);
  const TensorView u = scratch(rank);
  ops::matmul_nn(queue_, d_y, lora_.B(), u);
  ops::matmul_tn(queue_, u, x, lora_.dA(), c);
}

}  // namespace apiq::quant
