// argmax against std::max_element: ties, part boundaries of both presets, and logits that are not finite.
#include "ops/argmax.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cases/presets.hpp"

namespace apiq {
namespace {

class Argmax : public ::testing::TestWithParam<const char*> {
 protected:
  std::uint32_t of(const std::vector<float>& logits) {
    const auto& on = testing::preset_device(GetParam());
    const auto x = on.upload(logits, {1, logits.size()});
    const auto out = on.upload(std::vector<std::uint32_t>(3, 77), {3});
    ops::argmax(on.queue(), x, out.view().rows(1, 1));
    std::vector<std::uint32_t> ids(3);
    on.queue().read(out, ids.data());
    EXPECT_EQ(ids[0], 77u);
    EXPECT_EQ(ids[2], 77u);
    return ids[1];
  }
};

// One element, less than a vector, whole work-groups, several parts and a ragged end.
constexpr std::size_t kSizes[] = {1, 7, 16, 300, 4096, 32003};

TEST_P(Argmax, IsTheLowestIndexOfTheLargest) {
  for (const std::size_t size : kSizes) {
    auto logits = testing::random_floats(size, static_cast<std::uint32_t>(size), -3.0f, -1.0f);
    for (auto& value : logits) value = std::round(value * 8) / 8;  // 17 values: ties everywhere
    EXPECT_EQ(of(logits),
              static_cast<std::uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()))
        << size;
    for (const std::size_t best : {std::size_t{0}, size / 2, size - 1}) {
      auto one = logits;
      one[best] = 0.5f;
      EXPECT_EQ(of(one), best) << size;
    }
  }
}

TEST_P(Argmax, SaysThatALogitIsNotFinite) {
  for (const std::size_t size : {std::size_t{7}, std::size_t{32003}})
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1})
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity()}) {
        auto logits = testing::random_floats(size, 3);
        logits[at] = bad;
        EXPECT_EQ(of(logits), ops::kNotFinite) << size << " " << at << " " << bad;
      }
}

TEST_P(Argmax, RefusesWhatIsNoListOfLogits) {
  const auto& on = testing::preset_device(GetParam());
  const auto x = on.tensor({4}), half = on.tensor({4}, DType::f16), out = on.tensor({1}, DType::u32),
             none = on.tensor({1});
  EXPECT_THROW(ops::argmax(on.queue(), half, out), ShapeError);
  EXPECT_THROW(ops::argmax(on.queue(), x, none), ShapeError);
  EXPECT_THROW(ops::argmax(on.queue(), x.view().rows(0, 0), out), ShapeError);
}

INSTANTIATE_TEST_SUITE_P(Presets, Argmax, ::testing::Values("cpu", "gpu"),
                         [](const auto& row) { return std::string(row.param); });

}  // namespace
}  // namespace apiq
