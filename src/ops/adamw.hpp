// AdamW as torch defines it: decoupled weight decay, bias correction, eps outside the root.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::Queue;
using runtime::TensorView;

struct AdamwOptions {
  float learning_rate = 1e-3f;
  float weight_decay = 0.0f;
  float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
};

/// One step on p with gradient g:  p *= 1 - lr wd;  m, v updated;  p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps).
///   p, g, m, v f32 [n]; step t counts from 1.
/// loss f32 [1] guards the step on the device: if it is not finite nothing changes (the host counts skipped steps when it reads
/// the losses). Enqueued. Throws ShapeError, DeviceError.
void adamw_step(Queue& queue, const AdamwOptions& options, std::uint32_t step, const TensorView& loss, const TensorView& p, const TensorView& g, const TensorView& m, const TensorView& v);

}  // namespace apiq::ops
