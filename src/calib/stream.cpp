#include "calib/stream.hpp"

#include <cstring>

#include "calib/stop.hpp"
#include "family/tensor_names.hpp"
#include "ops/nn.hpp"
#include "tensor/tensor_source.hpp"

namespace apiq::calib {

using runtime::Workspace;

Stream::Stream(const RunContext& run, const model::RopeTables& rope, std::string name)
    : run_(run), rope_(rope), name_(std::move(name)) {}

ActivationStore Stream::make_inputs(std::uint64_t features) const {
  return run_.make_store(features, run_.plan.choice.inner, false, name_ + " stage inputs");
}

void Stream::replace_inputs(ActivationStore next) {
  earlier_wait_seconds_ += inputs_.wait_seconds();
  inputs_ = std::move(next);
}

/// On the host, row by row from the mapped file: the table never has to be on the device.
void Stream::start() {
  const TensorInfo& info = *run_.model.tensors().find(kEmbeddingTensor);
  const auto table = run_.model.tensors().bytes(info.name);
  const std::uint64_t hidden = run_.config().hidden_size, row_bytes = hidden * size_of(info.dtype);
  residuals_ = run_.make_store(hidden, run_.plan.choice.residuals, true, name_ + " residuals");
  residuals_.begin_pass();
  std::vector<float> rows(run_.set.sequence_length * hidden);
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    throw_if_stopped(run_.callbacks);
    for (std::uint32_t t = 0; t < run_.set.sequence_length; ++t) {
      const auto row =
          table.subspan(static_cast<std::uint64_t>(run_.set.samples[i][t]) * row_bytes, row_bytes);
      const std::vector<float> values = to_f32(info.dtype, row, info.name);
      std::memcpy(rows.data() + t * hidden, values.data(), hidden * sizeof(float));
    }
    run_.queue.write(residuals_.create(i), rows.data());
    residuals_.commit(i);
  }
  residuals_.end_pass();
  run_.model.tensors().release(info.name);
}

void Stream::load(const std::filesystem::path& saved) {
  // The journal has compared its checksum.
  residuals_ =
      ActivationStore::load(run_.queue, run_.layout(run_.config().hidden_size),
                            run_.place(run_.plan.choice.residuals, true), name_ + " residuals", saved, {});
}

void Stream::run_block(DecoderBlock& block, const Linears& linears, const std::filesystem::path& save_to,
                       const SampleSeen& seen) {
  residuals_.begin_pass(save_to);
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    throw_if_stopped(run_.callbacks);
    Workspace::Scope scope(run_.queue.workspace());
    const TensorView x = residuals_.open(i), y = run_.queue.workspace().allocate(DType::f32, x.shape);
    block.forward(x, linears, y);
    run_.queue.copy(y, residuals_.create(i));
    residuals_.commit(i);
    if (seen) seen(i, y);
  }
  saved_ = residuals_.end_pass();
}

void Stream::begin_stages(const TensorView& input_norm) {
  inputs_ = make_inputs(run_.config().hidden_size);
  inputs_.begin_pass();
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    throw_if_stopped(run_.callbacks);
    ops::rmsnorm_fwd(run_.queue, residuals_.open(i), input_norm, run_.config().rms_norm_eps,
                     inputs_.create(i));
    inputs_.commit(i);
  }
  inputs_.end_pass();
}

void Stream::advance(std::uint32_t stage, const Linears& linears, const TensorView& post_attention_norm) {
  const ModelConfig& config = run_.config();
  Queue& queue = run_.queue;
  const std::uint64_t features[] = {config.q_features(), config.hidden_size, config.intermediate_size};
  ActivationStore next = make_inputs(features[stage]);
  next.begin_pass();
  if (stage == 1) residuals_.begin_pass();
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    throw_if_stopped(run_.callbacks);
    Workspace::Scope scope(queue.workspace());
    const auto scratch = [&](std::uint64_t width) {
      return queue.workspace().allocate(DType::f32, {run_.set.sequence_length, width});
    };
    const TensorView x = inputs_.open(i), out = next.create(i);
    if (stage == 0) {
      const TensorView q = scratch(config.q_features()), k = scratch(config.kv_features()),
                       v = scratch(config.kv_features());
      linears(model::kQ, x, q);
      linears(model::kK, x, k);
      linears(model::kV, x, v);
      model::attention_stage(queue, config, rope_, q, {k, v}, 0, out);
    } else if (stage == 1) {
      const TensorView o = scratch(config.hidden_size), residual = residuals_.open(i);
      linears(model::kO, x, o);
      ops::add(queue, residual, o, o);
      queue.copy(o, residuals_.create(i));
      residuals_.commit(i);
      ops::rmsnorm_fwd(queue, o, post_attention_norm, config.rms_norm_eps, out);
    } else {
      const TensorView gate = scratch(config.intermediate_size), up = scratch(config.intermediate_size);
      linears(model::kGate, x, gate);
      linears(model::kUp, x, up);
      ops::swiglu_fwd(queue, gate, up, out);
    }
    next.commit(i);
  }
  next.end_pass();
  if (stage == 1) residuals_.end_pass();
  replace_inputs(std::move(next));
}

void Stream::end_stages(const Linears& linears, const std::filesystem::path& save_to,
                        const SampleSeen& seen) {
  residuals_.begin_pass(save_to);
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    throw_if_stopped(run_.callbacks);
    Workspace::Scope scope(run_.queue.workspace());
    const TensorView residual = residuals_.open(i),
                     down = run_.queue.workspace().allocate(DType::f32, residual.shape);
    linears(model::kDown, inputs_.open(i), down);
    ops::add(run_.queue, residual, down, down);
    run_.queue.copy(down, residuals_.create(i));
    residuals_.commit(i);
    if (seen) seen(i, down);
  }
  saved_ = residuals_.end_pass();
  replace_inputs({});
}

}  // namespace apiq::calib
