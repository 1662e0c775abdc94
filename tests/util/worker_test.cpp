#include "util/worker.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace apiq {
namespace {

TEST(Worker, RunsJobsInOrderAndFinishesThemBeforeItEnds) {
  std::vector<int> order;
  {
    Worker worker;
    for (int i = 0; i < 100; ++i) worker.submit([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(Worker, HandsExceptionsToWhoeverAsks) {
  Worker worker;
  const auto failed = worker.submit([] { throw std::runtime_error("no"); });
  const auto fine = worker.submit([] {});
  EXPECT_THROW(failed.get(), std::runtime_error);
  EXPECT_THROW(failed.get(), std::runtime_error) << "every time";
  EXPECT_NO_THROW(fine.get());
}

}  // namespace
}  // namespace apiq
