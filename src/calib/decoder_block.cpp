#include "calib/decoder_block.hpp"

#include <optional>

#include "ops/nn.hpp"

namespace apiq::calib {

using runtime::Workspace;

DecoderBlock::DecoderBlock(Queue& queue, const ModelConfig& config, const model::RopeTables& rope,
                           std::uint64_t tokens, Keep keep)
    : queue_(queue), config_(config), rope_(rope), tokens_(tokens), keep_(keep) {
  for (const Stage& stage : config.block.stages) stages_.push_back({stage.first, stage.end});
}

void DecoderBlock::set_norms(const TensorView& input_norm, const TensorView& post_attention_norm) {
  input_norm_ = input_norm;
  post_norm_ = post_attention_norm;
}

std::uint64_t DecoderBlock::scratch_bytes(const ModelConfig& c, std::uint64_t rows, Keep keep) {
  const std::uint64_t hidden = c.hidden_size, wide = c.intermediate_size, q = c.q_features(),
                      kv = c.kv_features();
  // Kept from forward: h1, q, k, v, a, x2, lse; the MLP's h2, gate, up, m are kept as well, or allocated
  // again for their part of backward.
  const std::uint64_t attention = 2 * hidden + 2 * q + 2 * kv + c.num_attention_heads,
                      mlp = hidden + 3 * wide;
  // Backward: dm and dh2 while the MLP's are alive; da, dq, dk, dv after.
  const std::uint64_t mlp_backward = wide + hidden, attention_backward = 2 * q + 2 * kv;
  const std::uint64_t peak = keep == Keep::all ? mlp + std::max(mlp_backward, attention_backward)
                                               : std::max(mlp + mlp_backward, attention_backward);
  return sizeof(float) * rows * (attention + peak);
}

TensorView DecoderBlock::scratch(std::uint64_t rows, std::uint64_t features) const {
  return queue_.workspace().allocate(DType::f32, {rows, features});
}

/// Up to the inputs of last_stage (0 or 1), or through the first residual sum (2 and above).
void DecoderBlock::attention_part(const TensorView& x, const Forward& linear, std::uint32_t last_stage) {
  const std::uint64_t rows = x.shape[0];
  h1_ = scratch(rows, config_.hidden_size);
  ops::rmsnorm_fwd(queue_, x, input_norm_, config_.rms_norm_eps, h1_);
  if (last_stage == 0) return;
  q_ = scratch(rows, config_.q_features());
  k_ = scratch(rows, config_.kv_features());
  v_ = scratch(rows, config_.kv_features());
  a_ = scratch(rows, config_.q_features());
  lse_ = scratch(rows, config_.num_attention_heads);
  linear(model::kQ, h1_, q_);
  linear(model::kK, h1_, k_);
  linear(model::kV, h1_, v_);
  for (std::uint64_t first = 0; first < rows; first += tokens_) {
    const TensorView lse = lse_.rows(first, tokens_).reshaped({config_.num_attention_heads, tokens_});
    model::attention_stage(queue_, config_, rope_, q_.rows(first, tokens_),
                           {k_.rows(first, tokens_), v_.rows(first, tokens_)}, 0, a_.rows(first, tokens_),
                           lse);
  }
  if (last_stage == 1) return;
  x2_ = scratch(rows, config_.hidden_size);
  linear(model::kO, a_, x2_);
  ops::add(queue_, x, x2_, x2_);
}

/// From x2 to the inputs of last_stage (2 or 3).
void DecoderBlock::mlp_part(const Forward& linear, std::uint32_t last_stage) {
  const std::uint64_t rows = x2_.shape[0];
  h2_ = scratch(rows, config_.hidden_size);
  ops::rmsnorm_fwd(queue_, x2_, post_norm_, config_.rms_norm_eps, h2_);
  if (last_stage == 2) return;
  gate_ = scratch(rows, config_.intermediate_size);
  up_ = scratch(rows, config_.intermediate_size);
  m_ = scratch(rows, config_.intermediate_size);
  linear(model::kGate, h2_, gate_);
  linear(model::kUp, h2_, up_);
  ops::swiglu_fwd(queue_, gate_, up_, m_);
}

TensorView DecoderBlock::stage_input(const TensorView& x, std::uint32_t stage, const Forward& linear) {
  attention_part(x, linear, stage);
  if (stage >= 2) mlp_part(linear, stage);
  const TensorView inputs[] = {h1_, a_, h2_, m_};
  return inputs[stage];
}

void DecoderBlock::forward(const TensorView& x, const Forward& linear, const TensorView& y) {
  attention_part(x, linear, 3);
  std::optional<Workspace::Scope> scope;
  if (keep_ == Keep::attention) {
    scope.emplace(queue_.workspace());
    linear_ = linear;
  }
  mlp_part(linear, 3);
  linear(model::kDown, m_, y);
  ops::add(queue_, x2_, y, y);
}

void DecoderBlock::backward(const TensorView& dy, const Backward& linear) {
  const std::uint64_t rows = dy.shape[0];
  {
    Workspace::Scope scope(queue_.workspace());
    if (keep_ == Keep::attention) mlp_part(linear_, 3);
    const TensorView dm = scratch(rows, config_.intermediate_size), dh2 = scratch(rows, config_.hidden_size);
    linear(model::kDown, m_, dy, dm, false);
    const TensorView &d_gate = gate_, &d_up = up_;  // in place
    ops::swiglu_bwd(queue_, gate_, up_, dm, d_gate, d_up);
    linear(model::kGate, h2_, d_gate, dh2, false);
    linear(model::kUp, h2_, d_up, dh2, true);
    ops::rmsnorm_bwd(queue_, x2_, post_norm_, config_.rms_norm_eps, dh2, dh2);
    ops::add(queue_, dy, dh2, dy);  // now the gradient of x2: its residual path and that through the MLP
  }
  attention_backward(dy, linear);
}

/// The gradient of the block's input is not needed, so none flows out of q, k and v.
void DecoderBlock::attention_backward(const TensorView& d_x2, const Backward& linear) {
  Workspace::Scope scope(queue_.workspace());
  const std::uint64_t rows = d_x2.shape[0], heads = config_.num_attention_heads,
                      kv_heads = config_.num_key_value_heads, dim = config_.head_dim;
  const TensorView da = scratch(rows, config_.q_features()), dq = scratch(rows, config_.q_features());
  const TensorView dk = scratch(rows, config_.kv_features()), dv = scratch(rows, config_.kv_features());
  linear(model::kO, a_, d_x2, da, false);
  for (std::uint64_t first = 0; first < rows; first += tokens_) {
    const auto of = [&](const TensorView& all, std::uint64_t count) {
      return all.rows(first, tokens_).reshaped({tokens_, count, dim});
    };
    ops::attention_bwd(queue_, of(q_, heads), of(k_, kv_heads), of(v_, kv_heads), of(a_, heads),
                       lse_.rows(first, tokens_).reshaped({heads, tokens_}), of(da, heads), of(dq, heads),
                       of(dk, kv_heads), of(dv, kv_heads));
    ops::rope_bwd(queue_, of(dq, heads), rope_.cos, rope_.sin, 0);
    ops::rope_bwd(queue_, of(dk, kv_heads), rope_.cos, rope_.sin, 0);
  }
  linear(model::kQ, h1_, dq, {}, false);
  linear(model::kK, h1_, dk, {}, false);
  linear(model::kV, h1_, dv, {}, false);
}

}  // namespace apiq::calib
