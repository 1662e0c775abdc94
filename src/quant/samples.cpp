#include "quant/samples.hpp"

#include <algorithm>

#include "ops/gemm.hpp"
#include "ops/moments.hpp"

namespace apiq::quant {

using runtime::Workspace;

TensorView gather(Queue& queue, const SampleSource& source, std::uint32_t first, std::uint32_t count) {
  const TensorView one = source(first);
  if (count == 1) return one;
  const std::uint64_t tokens = one.shape[0];
  const TensorView all = queue.workspace().allocate(DType::f32, {count * tokens, one.shape[1]});
  for (std::uint32_t i = 0; i < count; ++i)
    queue.copy(i == 0 ? one : source(first + i), all.rows(i * tokens, tokens));
  return all;
}

namespace {

DeviceTensor diagonal(Queue& queue, const TensorView& moments) {
  DeviceTensor out(queue.device(), DType::f32, {moments.shape[0]}, "input moments");
  ops::take_diagonal(queue, moments, out);
  return out;
}

}  // namespace

DeviceTensor lora_moments(Queue& queue, LoraInit init, std::uint32_t num_samples, std::uint64_t in_features,
                          const SampleSource& inputs) {
  if (init != LoraInit::cloq && init != LoraInit::svd_saliency) return {};
  DeviceTensor moments(queue.device(), DType::f32, {in_features, in_features}, "input moments");
  const std::uint32_t count = std::min(num_samples, kMomentSamples);
  for (std::uint32_t i = 0; i < count; ++i) {
    Workspace::Scope scope(queue.workspace());
    const TensorView x = inputs(i);
    const float weight = 1.0f / (static_cast<float>(count) * static_cast<float>(x.shape[0]));
    ops::matmul_tn(queue, runtime::Rounding::none, x, x, moments, weight, i == 0 ? 0.0f : 1.0f);
  }
  ops::damp(queue, moments);
  return init == LoraInit::cloq ? std::move(moments) : diagonal(queue, moments);
}

}  // namespace apiq::quant
