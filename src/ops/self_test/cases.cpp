#include "ops/self_test/cases.hpp"

#include <cmath>
#include <limits>

#include "util/half.hpp"
#include "util/random.hpp"

namespace apiq::ops::self_test {

std::vector<float> random_values(std::size_t count, std::uint64_t stream, float low, float high) {
  const CounterRandom random(0x5e1f7e57, stream);
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = low + (high - low) * random.uniform(i);
  return out;
}

DeviceTensor put(Queue& queue, std::vector<float>& values, const Shape& shape, DType dtype) {
  DeviceTensor tensor = space(queue, shape, dtype);
  if (dtype == DType::f32) {
    queue.write(tensor, values.data());
    return tensor;
  }
  std::vector<std::uint16_t> raw(values.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    raw[i] = float_to_half(values[i]);
    values[i] = half_to_float(raw[i]);
  }
  queue.write(tensor, raw.data());
  return tensor;
}

DeviceTensor put_words(Queue& queue, const std::vector<std::uint32_t>& values, const Shape& shape) {
  DeviceTensor tensor = space(queue, shape, DType::u32);
  queue.write(tensor, values.data());
  return tensor;
}

DeviceTensor put_bytes(Queue& queue, const std::vector<std::uint8_t>& values, const Shape& shape) {
  DeviceTensor tensor = space(queue, shape, DType::u8);
  queue.write(tensor, values.data());
  return tensor;
}

DeviceTensor space(Queue& queue, const Shape& shape, DType dtype) {
  return DeviceTensor(queue.device(), dtype, shape, "self-test tensor");
}

double difference(const std::vector<float>& got, const std::vector<double>& want) {
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  if (got.size() != want.size()) return kWrong;
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!std::isfinite(got[i])) return kWrong;
    largest = std::max(largest, std::fabs(want[i]));
    worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - want[i]));
  }
  return largest > 0 ? worst / largest : worst;
}

double difference(Queue& queue, const TensorView& got, const std::vector<double>& want) {
  return difference(runtime::read_floats(queue, got), want);
}

std::vector<double> doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

}  // namespace apiq::ops::self_test
