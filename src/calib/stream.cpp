#include "calib/stream.hpp"

#include <cstring>

#include "family/tensor_names.hpp"
#include "tensor/tensor_source.hpp"

namespace apiq::calib {

using runtime::Workspace;

Stream::Stream(const RunContext& run, const model::RopeTables& rope, std::string name)
    : run_(run), rope_(rope), name_(std::move(name)), ways_(model::stage_ways(run.config().block)) {}

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
    run_.next_piece();
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

void Stream::run_block(quant::BlockFunction& block, const Linears& linears,
                       const std::filesystem::path& save_to, const SampleSeen& seen) {
  residuals_.begin_pass(save_to);
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    run_.next_piece();
    Workspace::Scope scope(run_.queue.workspace());
    const TensorView x = residuals_.open(i), y = run_.queue.workspace().allocate(DType::f32, x.shape);
    block.forward(x, linears, y);
    run_.queue.copy(y, residuals_.create(i));
    residuals_.commit(i);
    if (seen) seen(i, y);
  }
  saved_ = residuals_.end_pass();
}

void Stream::advance(std::uint32_t stage, const WorkingBlock& weights, const Linears& linears,
                     const std::filesystem::path& save_to, const SampleSeen& seen) {
  const model::StageWay& way = ways_[stage];
  const BlockSpec& spec = run_.config().block;
  const std::uint64_t tokens = run_.set.sequence_length;
  const model::BlockContext context{.queue = run_.queue,
                                    .spec = spec,
                                    .rope = rope_,
                                    .norms = weights.norms(),
                                    .biases = weights.biases(),
                                    .tokens = tokens};
  const model::BlockPlan plan = way.plan(spec, tokens);
  ActivationStore next;
  if (way.next_input) {
    next = make_inputs(spec.slots[*way.next_input].width);
    next.begin_pass();
  }
  if (way.next_residual) residuals_.begin_pass(save_to);
  for (std::uint32_t i = 0; i < run_.num_samples(); ++i) {
    run_.next_piece();
    Workspace::Scope scope(run_.queue.workspace());
    model::BlockRun sample(context, plan, tokens);
    if (way.input) sample.give(plan.activation(*way.input), inputs_.open(i));
    if (way.residual) sample.give(plan.activation(*way.residual), residuals_.open(i));
    if (way.next_input) sample.give(plan.activation(*way.next_input), next.create(i));
    sample.forward(linears);
    if (way.next_residual) {
      const TensorView y = sample.view(plan.activation(*way.next_residual));
      run_.queue.copy(y, residuals_.create(i));
      residuals_.commit(i);
      if (seen) seen(i, y);
    }
    if (way.next_input) next.commit(i);
  }
  if (way.next_input) next.end_pass();
  if (way.next_residual) saved_ = residuals_.end_pass();
  replace_inputs(std::move(next));
}

}  // namespace apiq::calib
