// One optimizer step, shared by everything that is trained in it.
#pragma once
#include <cstdint>

#include "runtime/buffer.hpp"

namespace apiq::optim {

struct StepInfo {
  std::uint32_t step = 1;    // counts from 1, skipped steps too
  double rate_factor = 1;    // of the schedule
  runtime::TensorView loss;  // f32 [1]: a step whose loss is not finite changes nothing on the device
};

}  // namespace apiq::optim
