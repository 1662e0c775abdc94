// Calibration samples as methods use them: batches, and the second moments of a layer's inputs.
#pragma once
#include <functional>

#include "quant/linear_problem.hpp"

namespace apiq::quant {

using runtime::DeviceTensor;

/// Sample i, f32 [tokens, features]; valid until the next call.
using SampleSource = std::function<TensorView(std::uint32_t)>;

/// `count` samples from `first` on under each other, f32 [count * tokens, features]: in the queue's
/// workspace, or a single one where it lies.
TensorView gather(Queue& queue, const SampleSource& source, std::uint32_t first, std::uint32_t count);

/// Samples whose statistics start the LoRA matrices: more change little (recipes, section 2).
inline constexpr std::uint32_t kMomentSamples = 32;

/// What start_lora needs of inputs, for this kind of start: for cloq H = sum x^T x / tokens + damping, f32
/// [in, in]; for svd_saliency its diagonal, f32 [in]; else an empty tensor, and the samples are not read.
/// Uses the first kMomentSamples.
DeviceTensor lora_moments(Queue& queue, LoraInit init, std::uint32_t num_samples, std::uint64_t in_features,
                          const SampleSource& inputs);

}  // namespace apiq::quant
