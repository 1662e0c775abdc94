// The greedy choice of a token, on the device.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::ops {

/// What argmax gives for logits that are not all finite.
inline constexpr std::uint32_t kNotFinite = 0xffffffffu;

/// out u32 [1] = the lowest index of the largest of logits f32 [count], or kNotFinite if one of them is
/// infinite or not a number. Enqueued. Throws ShapeError.   Kernels: cl/decode/argmax.cl.
void argmax(runtime::Queue& queue, const runtime::TensorView& logits, const runtime::TensorView& out);

}  // namespace apiq::ops
