#include "runtime/memory_budget.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"

namespace apiq {
namespace {

using runtime::Buffer;
using runtime::MemoryBudget;
using runtime::Workspace;

TEST(MemoryBudget, CountsUseAndPeakAndRefusesToPassTheLimit) {
  MemoryBudget budget(1000);
  budget.acquire(600, "first");
  budget.acquire(400, "second");
  EXPECT_EQ(budget.available_bytes(), 0u);
  budget.release(400);
  EXPECT_EQ(budget.in_use_bytes(), 600u);
  EXPECT_EQ(budget.peak_bytes(), 1000u);
  try {
    budget.acquire(401, "the third");
    FAIL() << "401 bytes do not fit in 400";
  } catch (const OutOfDeviceMemory& error) {
    const std::string text = error.what();
    for (const char* part : {"the third", "401 B", "600 B", "1000 B", "--device-memory"})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  EXPECT_EQ(budget.in_use_bytes(), 600u) << "a refused request must not count";
}

TEST(MemoryBudget, CountsForSeveralThreads) {
  MemoryBudget budget(1 << 20, runtime::MemoryKind::host);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        budget.acquire(16, "part");
        budget.release(15);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(budget.in_use_bytes(), 80000u);
  EXPECT_THROW(budget.acquire(1 << 20, "more"), OutOfHostMemory);
  budget.set_limit(100);
  EXPECT_EQ(budget.available_bytes(), 0u) << "a limit below what is in use";
  EXPECT_THROW(budget.acquire(1, "anything"), OutOfHostMemory);
}

TEST(Buffer, TakesFromTheBudgetAndGivesBack) {
  auto& device = testing::shared_device();
  const auto before = device.budget().in_use_bytes();
  {
    Buffer buffer(device, 4096, "test");
    Buffer moved = std::move(buffer);
    EXPECT_EQ(device.budget().in_use_bytes(), before + 4096);
  }
  EXPECT_EQ(device.budget().in_use_bytes(), before);
}

TEST(Buffer, RefusesMoreThanTheDeviceTakesInOnePiece) {
  auto& device = testing::shared_device();
  EXPECT_THROW(Buffer(device, device.info().max_buffer_bytes + 1, "a whole model"), Unsupported);
}

TEST(Workspace, ScopesGiveMemoryBackAndNeverOverlapWhileAlive) {
  auto& queue = testing::shared_queue();
  const auto before = queue.device().budget().in_use_bytes();
  std::optional<Workspace> owner(std::in_place, queue.device());
  Workspace& workspace = *owner;
  runtime::TensorView first, again;
  {
    Workspace::Scope scope(workspace);
    first = workspace.allocate(DType::f32, {100});
    const auto second = workspace.allocate(DType::u8, {7});
    EXPECT_EQ(first.memory, second.memory);
    EXPECT_GE(second.offset, (first.offset + 100) * sizeof(float));
    const auto large = workspace.allocate(DType::f32, {8, 1 << 20});  // past the first chunk
    EXPECT_NE(large.memory, first.memory);
  }
  {
    Workspace::Scope scope(workspace);
    again = workspace.allocate(DType::f32, {100});
  }
  EXPECT_EQ(again.memory, first.memory);
  EXPECT_EQ(again.offset, first.offset);
  owner.reset();
  EXPECT_EQ(queue.device().budget().in_use_bytes(), before);
}

}  // namespace
}  // namespace apiq
