// AdamW as torch defines it: decoupled weight decay, bias correction, eps outside the root.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::Queue;
using runtime::TensorView;

/// Doubles, because 1 - beta2 and the bias corrections would otherwise carry the rounding of 0.999f, 5e-5 of
/// their value.
struct AdamwOptions {
  double learning_rate = 1e-3;
  double weight_decay = 0.0;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

/// One step on p with gradient g:  p *= 1 - lr wd;  m, v updated;  p -= lr / (1 - beta1^t) * m / (sqrt(v) /
/// sqrt(1 - beta2^t) + eps).
///   p, g, m, v f32 of one shape, no two the same memory; m and v start at zero.
///   loss f32 [1] guards the step on the device: if it is not finite nothing changes but skipped u32 [1],
///   which starts at zero and counts such steps. t = step - skipped; step counts every call, from 1.
/// Enqueued. Throws InvalidArgument (step 0), ShapeError, DeviceError.
/// Source: Loshchilov and Hutter, arXiv 1711.05101, as torch.optim.AdamW.   Kernel: cl/optim/adamw.cl.
void adamw_step(Queue& queue, const AdamwOptions& options, std::uint32_t step, const TensorView& loss,
                const TensorView& skipped, const TensorView& p, const TensorView& g, const TensorView& m,
                const TensorView& v);

/// loss f32 [1] becomes NaN if a value of x or of y (both f32 of any shape; y may be empty) is not finite, so
/// that the steps it guards are skipped. Enqueued. Throws ShapeError, DeviceError.
void guard_loss(Queue& queue, const TensorView& loss, const TensorView& x, const TensorView& y = {});

}  // namespace apiq::ops
