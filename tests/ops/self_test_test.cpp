// The self-test must pass here, and its limits must be tight enough to notice a device that computes badly.
#include "apiq/self_test.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "ops/self_test/cases.hpp"

namespace apiq {
namespace {

ops::self_test::Measure measure(const std::string& kernel, const std::string& detail) {
  for (const auto& test : ops::self_test::nn_cases()) {
    if (test.kernel == kernel && test.detail == detail) return test.run(testing::shared_queue());
  }
  throw InvalidArgument("no case " + kernel + " " + detail);
}

TEST(SelfTest, ADeviceThatComputesInHalfPrecisionWouldFail) {
  // Results stored as binary16 stand for such a device: their error must be far outside of what the f32 case
  // allows.
  for (const char* kernel : {"swiglu_fwd", "swiglu_bwd", "rmsnorm_fwd", "rmsnorm_bwd", "add", "scaled_add"}) {
    const auto f32 = measure(kernel, "f32"), f16 = measure(kernel, "f16");
    EXPECT_LE(f32.error, f32.tolerance) << kernel;
    EXPECT_LE(f16.error, f16.tolerance) << kernel;
    EXPECT_GT(f16.error, 4 * f32.tolerance) << kernel;
  }
}

TEST(SelfTest, DifferenceIsRelativeToTheLargestAndNeverForgivesNan) {
  using ops::self_test::difference;
  EXPECT_DOUBLE_EQ(difference({1.0f, 4.5f}, {1.0, 4.0}), 0.125);
  EXPECT_DOUBLE_EQ(difference({0.0f}, {0.0}), 0.0);
  EXPECT_TRUE(std::isinf(difference({NAN, 4.0f}, {1.0, 4.0})));
  EXPECT_TRUE(std::isinf(difference({1.0f}, {1.0, 4.0})));
}

}  // namespace
}  // namespace apiq
