#include "calib/working_block.hpp"

#include "family/tensor_names.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "util/random.hpp"

namespace apiq::calib {

namespace {

DeviceTensor as_f32(Queue& queue, const TensorView& stored, const char* what) {
  DeviceTensor out(queue.device(), DType::f32, stored.shape, what);
  ops::to_f32(queue, stored, out);
  return out;
}

}  // namespace

WorkingBlock::WorkingBlock(const RunContext& run, std::uint32_t block, const BlockWeights& stored)
    : run_(run),
      block_(block),
      stored_(stored),
      dense_(stored.linears.size()),
      packed_(stored.linears.size()) {
  for (std::uint32_t l = 0; l < stored.linears.size(); ++l)
    settings_.push_back(
        settings_of(run.options, name(l), static_cast<std::uint32_t>(stored.linears[l].shape[1])));
  for (const TensorView& bias : stored.biases)
    biases_.push_back(bias.memory != nullptr ? as_f32(run.queue, bias, "bias") : DeviceTensor());
  for (const TensorView& norm : stored.norms) norms_.push_back(as_f32(run.queue, norm, "norm"));
}

std::string WorkingBlock::name(std::uint32_t linear) const {
  return part_name(block_, run_.config().block.linears[linear].name);
}

std::uint64_t WorkingBlock::seed(std::uint32_t linear) const {
  return CounterRandom(run_.options.seed, std::uint64_t{block_} * size() + linear).bits(0);
}

void WorkingBlock::make_dense(std::uint32_t linear) {
  if (dense_[linear].empty()) dense_[linear] = as_f32(run_.queue, stored_.linears[linear], "dense weight");
  else ops::to_f32(run_.queue, stored_.linears[linear], dense_[linear]);
}

void WorkingBlock::set_packed(std::uint32_t linear, const QuantizedLinear& result) {
  packed_[linear] = model::Linear::packed(run_.queue, result);
}

quant::BlockFunction::Forward WorkingBlock::full() const {
  return [this](std::uint32_t l, const TensorView& x, const TensorView& y) {
    const runtime::Rounding rounding = run_.queue.device().rounding(runtime::Work::training);
    ops::matmul_nt(run_.queue, rounding, x, dense_[l], y);
  };
}

quant::BlockFunction::Forward WorkingBlock::quantized() const {
  return [this](std::uint32_t l, const TensorView& x, const TensorView& y) {
    const runtime::Rounding rounding = run_.queue.device().rounding(runtime::Work::training);
    if (settings_[l].quantize) packed_[l].forward(run_.queue, rounding, x, y);
    else ops::matmul_nt(run_.queue, rounding, x, dense_[l], y);
  };
}

double WorkingBlock::weight_error(std::uint32_t linear) const {
  runtime::Workspace::Scope scope(run_.queue.workspace());
  const TensorView effective = run_.queue.workspace().allocate(DType::f32, dense_[linear].shape());
  const TensorView sums = run_.queue.workspace().allocate(DType::f32, {2});
  packed_[linear].effective_weight(run_.queue, effective);
  ops::relative_error_sums(run_.queue, effective, dense_[linear], sums);
  const auto values = runtime::read_floats(run_.queue, sums);
  return static_cast<double>(values[0]) / static_cast<double>(values[1]);
}

}  // namespace apiq::calib
