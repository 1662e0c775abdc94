#include "calib/stream.hpp"

#include "calib/stop.hpp"
#include "ops/nn.hpp"

namespace apiq::calib {

using runtime::Workspace;

ActivationStore make_store(Queue& queue, const ActivationLayout& layout, std::uint64_t reserve_bytes, std::string_view what) {
  const std::uint64_t bytes = ActivationStore::device_bytes(layout, Placement::device);
  const bool fits = bytes + reserve_bytes <= queue.device().budget().available_bytes();
  return {queue, layout, {.placement = fits ? Placement::device : Placement::host, .saves = false, .scratch_folder = {}, .trace = nullptr}, what};
}

Stream::Stream(Queue& queue, const ModelConfig& config, const model::RopeTables& rope, const CalibrationSet& set, const TensorView& embedding,
               std::uint64_t reserve_bytes, const Callbacks& callbacks)
    : queue_(queue),
      config_(config),
      rope_(rope),
      callbacks_(callbacks),
      num_samples_(static_cast<std::uint32_t>(set.samples.size())),
      tokens_(set.sequence_length),
      reserve_bytes_(reserve_bytes),
      residuals_(make_store(queue, {num_samples_, tokens_, config.hidden_size}, reserve_bytes, "residual stream")) {
  for (std::uint32_t i = 0; i < num_samples_; ++i) {
    throw_if_stopped(callbacks_);
    Workspace::Scope scope(queue.workspace());
    const TensorView ids = queue.workspace().allocate(DType::u32, {tokens_});
    queue.write(ids, set.samples[i].data());
    ops::embedding_fwd(queue, embedding, ids, residuals_.create(i));
    residuals_.commit(i);
  }
}

ActivationStore Stream::make_inputs(std::uint64_t features) const {
  return make_store(queue_, {num_samples_, tokens_, features}, reserve_bytes_, "stage inputs");
}

void Stream::begin_block(const TensorView& input_norm) {
  inputs_ = {};
  inputs_ = make_inputs(config_.hidden_size);
  for (std::uint32_t i = 0; i < num_samples_; ++i) {
    throw_if_stopped(callbacks_);
    ops::rmsnorm_fwd(queue_, residuals_.open(i), input_norm, config_.rms_norm_eps, inputs_.create(i));
    inputs_.commit(i);
  }
}

void Stream::advance(std::uint32_t stage, const ApplyLinear& apply, const TensorView& post_attention_norm) {
  const std::uint64_t features[] = {config_.q_features(), config_.hidden_size, config_.intermediate_size};
  ActivationStore next = make_inputs(features[stage]);
  for (std::uint32_t i = 0; i < num_samples_; ++i) {
    throw_if_stopped(callbacks_);
    Workspace::Scope scope(queue_.workspace());
    const auto scratch = [&](std::uint64_t width) { return queue_.workspace().allocate(DType::f32, {tokens_, width}); };
    const TensorView x = inputs_.open(i), out = next.create(i);
    if (stage == 0) {
      const TensorView q = scratch(config_.q_features()), k = scratch(config_.kv_features()), v = scratch(config_.kv_features());
      apply(model::kQ, x, q);
      apply(model::kK, x, k);
      apply(model::kV, x, v);
      model::attention_stage(queue_, config_, rope_, q, {k, v}, 0, out);
    } else if (stage == 1) {
      const TensorView o = scratch(config_.hidden_size), residual = residuals_.open(i);
      apply(model::kO, x, o);
      ops::add(queue_, residual, o, residual);
      residuals_.commit(i);
      ops::rmsnorm_fwd(queue_, residual, post_attention_norm, config_.rms_norm_eps, out);
    } else {
      const TensorView gate = scratch(config_.intermediate_size), up = scratch(config_.intermediate_size);
      apply(model::kGate, x, gate);
      apply(model::kUp, x, up);
      ops::swiglu_fwd(queue_, gate, up, out);
    }
    next.commit(i);
  }
  inputs_ = std::move(next);
}

void Stream::end_block(const ApplyLinear& apply) {
  for (std::uint32_t i = 0; i < num_samples_; ++i) {
    throw_if_stopped(callbacks_);
    Workspace::Scope scope(queue_.workspace());
    const TensorView down = queue_.workspace().allocate(DType::f32, {tokens_, config_.hidden_size}), residual = residuals_.open(i);
    apply(model::kDown, inputs_.open(i), down);
    ops::add(queue_, residual, down, residual);
    residuals_.commit(i);
  }
  inputs_ = {};
}

}  // namespace apiq::calib
