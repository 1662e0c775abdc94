// The cases of the self-test and what they share: every kernel variant a device would use, on data small
// enough for seconds. They look for devices and drivers that compute wrongly; the finer sweeps are in
// tests/ops.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "runtime/queue.hpp"

namespace apiq::ops::self_test {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

/// Largest difference to the reference over the largest magnitude in it, and what rounding explains.
struct Measure {
  double error = 0, tolerance = 0;
};

struct Case {
  std::string kernel, detail;
  std::function<Measure(Queue&)> run;
};

std::vector<Case> matmul_cases();
std::vector<Case> packed_cases();
std::vector<Case> quant_cases();
std::vector<Case> nn_cases();
std::vector<Case> loss_cases();

inline constexpr double kF32Unit = 0x1p-24;  // relative rounding of one f32 operation
inline constexpr double kF16Unit = 0x1p-11;  // of one store to binary16

inline double unit_of(DType dtype) { return dtype == DType::f16 ? kF16Unit : 0.0; }

/// Uniform in [low, high), the same everywhere.
std::vector<float> random_values(std::size_t count, std::uint64_t stream, float low = -1.0f,
                                 float high = 1.0f);

/// values on the device; for f16 they are rounded first, in place, so that the reference sees what the device
/// holds.
DeviceTensor put(Queue& queue, std::vector<float>& values, const Shape& shape, DType dtype = DType::f32);
DeviceTensor put_words(Queue& queue, const std::vector<std::uint32_t>& values, const Shape& shape);
DeviceTensor put_bytes(Queue& queue, const std::vector<std::uint8_t>& values, const Shape& shape);
DeviceTensor space(Queue& queue, const Shape& shape, DType dtype = DType::f32);

/// Infinite if anything is not a number or the counts differ.
double difference(const std::vector<float>& got, const std::vector<double>& want);
double difference(Queue& queue, const TensorView& got, const std::vector<double>& want);

/// 0 if equal, infinite if not: for results that leave nothing to rounding.
template <class T>
double exactly(const std::vector<T>& got, const std::vector<T>& want) {
  return got == want ? 0.0 : 1.0;
}

std::vector<double> doubles(const std::vector<float>& values);

}  // namespace apiq::ops::self_test
