// Which products may round their inputs. By default none: factorizations, second moments and everything a
// method computes on the side stay f32. The products of activations with weights and their gradients open a
// ComputeScope.
#pragma once
#include "apiq/device.hpp"

namespace apiq::runtime {

class Device;

enum class Rounding { none, f16, bf16 };
inline constexpr int kRoundings = 3;

/// What a product is part of.
enum class Work {
  inference,  // evaluation, generation
  training,   // forward passes of calibration and fine-tuning
  gradient,   // of a loss: small numbers over a wide range, which f16 flushes to zero
};

/// What --compute allows for this work. Reasons: docs/devices.md.
constexpr Rounding rounding_of(Compute compute, Work work) {
  switch (compute) {
    case Compute::f32: return Rounding::none;
    case Compute::bf16: return Rounding::bf16;
    case Compute::f16: return work == Work::gradient ? Rounding::bf16 : Rounding::f16;
    case Compute::automatic: break;
  }
  return work == Work::inference ? Rounding::f16 : Rounding::bf16;
}

/// As long as it lives, products on this device's queue may round their inputs as --compute says for this
/// work. Scopes nest.
class ComputeScope {
 public:
  ComputeScope(Device& device, Work work);
  ~ComputeScope();
  ComputeScope(const ComputeScope&) = delete;
  ComputeScope& operator=(const ComputeScope&) = delete;

 private:
  Device& device_;
  Rounding before_;
};

}  // namespace apiq::runtime
