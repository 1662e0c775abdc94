// What the inputs of a product may be rounded to: an argument of every product, so that it gives the same
// numbers whoever calls it. Factorizations, second moments and everything a method computes on the side ask
// for none; products of activations with weights and their gradients for what --compute allows.
#pragma once
#include "apiq/device.hpp"

namespace apiq::runtime {

enum class Rounding { none, f16, bf16 };
inline constexpr int kRoundings = 3;

/// What a product is part of.
enum class Work {
  inference,  // evaluation, generation
  training,   // forward passes of calibration and fine-tuning
  gradient,   // of a loss: small numbers over a wide range, which f16 flushes to zero
};

/// What --compute allows for this work (Device::rounding asks for its own). Reasons: docs/devices.md.
constexpr Rounding rounding_of(Compute compute, Work work) {
  switch (compute) {
    case Compute::f32: return Rounding::none;
    case Compute::bf16: return Rounding::bf16;
    case Compute::f16: return work == Work::gradient ? Rounding::bf16 : Rounding::f16;
    case Compute::automatic: break;
  }
  return work == Work::inference ? Rounding::f16 : Rounding::bf16;
}

}  // namespace apiq::runtime
