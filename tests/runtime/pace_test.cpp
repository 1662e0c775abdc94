// How much is left in the queue by a loop that keeps its pace.
#include "runtime/pace.hpp"

#include <gtest/gtest.h>

#include "cases/device_fixture.hpp"
#include "ops/gemm.hpp"

namespace apiq {
namespace {

using testing::shared_queue;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class PaceTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kSize = 512;
  void piece() {
    for (int i = 0; i < 4; ++i) ops::matmul_nt(shared_queue(), runtime::Rounding::none, a_, b_, c_);
  }
  runtime::DeviceTensor a_ = testing::upload(testing::random_floats(kSize * kSize, 1), {kSize, kSize}),
                        b_ = testing::upload(testing::random_floats(kSize * kSize, 2), {kSize, kSize}),
                        c_ = testing::device_tensor({kSize, kSize});
};

TEST_F(PaceTest, LittleIsLeftToDoWhenALoopStops) {
  piece();
  shared_queue().finish();  // compiled
  auto begin = Clock::now();
  for (int i = 0; i < 4; ++i) piece();
  shared_queue().finish();
  const double each = seconds_since(begin) / 4;
  // Twelve pieces ahead of sixty: five times as many would be left without it.
  runtime::Pace pace(shared_queue(), runtime::Pace::Duration(12 * each));
  begin = Clock::now();
  for (int i = 0; i < 60; ++i) {
    piece();
    pace.step();
  }
  const auto stopped = Clock::now();
  shared_queue().finish();
  EXPECT_LT(seconds_since(stopped), 0.6 * seconds_since(begin));
}

TEST_F(PaceTest, PiecesThatTakeLongAreTwoAtMost) {
  runtime::Pace pace(shared_queue(), runtime::Pace::Duration(0));
  for (int i = 0; i < 5; ++i) {
    piece();
    const runtime::Event end = shared_queue().mark();
    piece();
    pace.step();
    piece();
    pace.step();
    EXPECT_TRUE(end.done()) << "all but the latest piece";
  }
  shared_queue().finish();
}

}  // namespace
}  // namespace apiq
