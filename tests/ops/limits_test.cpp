// The measuring kernels do the work that they are credited with: every word read once, every chain computed
// to its end.
#include "ops/limits.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"

namespace apiq::ops {
namespace {

using runtime::DeviceTensor;
using testing::shared_queue;

template <class T>
std::vector<T> read_back(Queue& queue, const TensorView& view) {
  std::vector<T> out(view.elements());
  queue.read(view, out.data());
  return out;
}

TEST(Limits, EveryWordIsReadOnce) {
  Queue& queue = shared_queue();
  const std::uint64_t words = 3 * read_granule_words(queue), skipped = 16;
  std::vector<std::uint32_t> values(words + skipped);
  std::mt19937 random(1);
  for (auto& value : values) value = random();
  const DeviceTensor data(queue.device(), DType::u32, {values.size()}, "words"),
      sums(queue.device(), DType::u32, {read_sums(queue, words)}, "sums");
  queue.write(data, values.data());
  read_words(queue, data.view().rows(skipped, words), sums);
  const auto found = read_back<std::uint32_t>(queue, sums);
  // Arithmetic modulo 2^32 is exact in any order.
  EXPECT_EQ(std::accumulate(found.begin(), found.end(), 0u),
            std::accumulate(values.begin() + skipped, values.end(), 0u));
  EXPECT_THROW(read_words(queue, data.view().rows(0, words - 1), sums), ShapeError);
}

TEST(Limits, EveryChainIsComputed) {
  Queue& queue = shared_queue();
  const DeviceTensor y(queue.device(), DType::f32, {multiply_add_items(queue)}, "sums of chains");
  const double operations = multiply_add(queue, 3, 0.5f, 1.0f, y);
  const auto found = read_back<float>(queue, y);
  const int group = runtime::value_of(queue.tuned("limits"), "WG"),
            lanes = runtime::value_of(queue.tuned("limits"), "VW");
  for (std::size_t i = 0; i < found.size(); ++i) {
    double sum = 0;  // small multiples of 1/8: exact in fp32, too
    for (int chain = 0; chain < 8; ++chain) {
      double x = static_cast<double>(i % static_cast<std::size_t>(group)) + chain;
      for (int step = 0; step < 3; ++step) x = 0.5 * x + 1.0;
      sum += x;
    }
    ASSERT_EQ(found[i], static_cast<float>(lanes * sum)) << "item " << i;
  }
  EXPECT_EQ(operations, 2.0 * 3 * 8 * lanes * static_cast<double>(found.size()));
}

}  // namespace
}  // namespace apiq::ops
