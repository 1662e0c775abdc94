// What settings are timed on: shapes of the bundled model and of a 7B model, through the same launchers that
// models call.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/queue.hpp"

namespace apiq::tuning {

struct TimingCase {
  std::string name;             // "2 bits 4096x4096, M 1"
  double bytes = 0, flops = 0;  // of one call: each operand once, arithmetic
  /// Allocates the operands and returns the call, which enqueues and owns them. Throws OutOfDeviceMemory.
  std::function<std::function<void()>(runtime::Queue&)> prepare;
};

/// Cases of a search space that is searched; empty for others.
std::vector<TimingCase> timing_cases(std::string_view program, bool is_cpu);

// By family; each answers for its own keys.
std::vector<TimingCase> packed_timing_cases(std::string_view program);
std::vector<TimingCase> dense_timing_cases(std::string_view program, bool is_cpu);
std::vector<TimingCase> attention_timing_cases(std::string_view program);
std::vector<TimingCase> streaming_timing_cases(std::string_view program);

/// A tensor of values in [-scale, scale); their order does not matter for time, so a short sequence repeats.
runtime::DeviceTensor operand(runtime::Queue& queue, const Shape& shape, DType dtype = DType::f32,
                              float scale = 1.0f);

}  // namespace apiq::tuning
