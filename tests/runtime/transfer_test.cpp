// The second queue: copies run beside the computation and are ordered with it by events alone.
#include "runtime/transfer_queue.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "runtime/pinned_buffer.hpp"
#include "runtime/upload_ring.hpp"
#include "support/errors.hpp"

namespace apiq {
namespace {

using runtime::DeviceTensor;
using runtime::Event;
using runtime::PinnedBuffer;
using runtime::TransferQueue;
using runtime::UploadRing;

TEST(PinnedBuffer, TakesFromTheHostBudgetAndGivesBack) {
  auto& device = testing::shared_device();
  auto& budget = device.host_budget();
  const auto before = budget.in_use_bytes(), limit = budget.limit_bytes();
  {
    PinnedBuffer buffer(device, 10000, "test");
    std::memset(buffer.data(), 7, 10000);
    PinnedBuffer moved = std::move(buffer);
    EXPECT_EQ(moved.bytes()[9999], std::byte{7});
    EXPECT_EQ(budget.in_use_bytes(), before + 10000);
    buffer = PinnedBuffer(device, 5, "test");
    EXPECT_EQ(budget.in_use_bytes(), before + 10005);
  }
  EXPECT_EQ(budget.in_use_bytes(), before);
  budget.set_limit(before + 100);
  const std::string text = test::error_text<OutOfHostMemory>([&] { PinnedBuffer(device, 101, "the ring"); });
  for (const char* part : {"the ring", "101 B", "--host-memory"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_NO_THROW(PinnedBuffer(device, 100, "the ring"));
  budget.set_limit(limit);
}

TEST(TransferQueue, CopiesWaitForTheComputationAndTheComputationForCopies) {
  auto& queue = testing::shared_queue();
  TransferQueue transfers(queue.device(), "test", nullptr);
  // A chain over two queues: each round the computation moves a to b, the copy b to the host and the host's
  // next values to a. Large enough that a missing wait is seen: a copy takes far longer than enqueueing it.
  const std::size_t count = 1 << 21;
  const DeviceTensor a(queue.device(), DType::f32, {count}, "a"), b(queue.device(), DType::f32, {count}, "b");
  constexpr int kRounds = 8;
  std::vector<PinnedBuffer> in, out;
  for (int i = 0; i < kRounds; ++i) {
    in.emplace_back(queue.device(), count * 4, "in");
    out.emplace_back(queue.device(), count * 4, "out");
    std::fill_n(reinterpret_cast<float*>(in[static_cast<std::size_t>(i)].data()), count,
                static_cast<float>(i + 1));
  }
  Event uploaded = transfers.write(a, in[0].data()), downloaded;
  for (std::size_t i = 0; i < kRounds; ++i) {
    queue.wait_for(uploaded);
    queue.wait_for(downloaded);
    queue.copy(a, b);
    const Event computed = queue.mark();
    downloaded = transfers.read(b, out[i].data(), {&computed, 1});
    if (i + 1 < kRounds) uploaded = transfers.write(a, in[i + 1].data(), {&computed, 1});
  }
  downloaded.wait();
  EXPECT_TRUE(downloaded.done());
  for (std::size_t i = 0; i < kRounds; ++i)
    EXPECT_EQ(std::memcmp(in[i].data(), out[i].data(), count * 4), 0) << i;
}

TEST(TransferQueue, ACopyThatWaitsHoldsUpNothingElse) {
  auto& queue = testing::shared_queue();
  TransferQueue first(queue.device(), "test", nullptr), second(queue.device(), "test", nullptr);
  const DeviceTensor a(queue.device(), DType::f32, {4}, "a");
  PinnedBuffer host(queue.device(), 16, "host");
  std::memset(host.data(), 0, 16);
  // `first` waits for a mark of the computation, the computation for `second`: whoever enqueues first must
  // not block.
  const Event one = second.write(a, host.data());
  queue.wait_for(one);
  queue.fill_zero(a);
  const Event mark = queue.mark();
  const Event two = first.read(a, host.data(), {&mark, 1});
  two.wait();
  EXPECT_TRUE(one.done());
  EXPECT_TRUE(mark.done());
}

TEST(TransferQueue, EmptyEventsAndTensorsCostNothing) {
  auto& queue = testing::shared_queue();
  TransferQueue transfers(queue.device(), "test", nullptr);
  const Event none;
  EXPECT_TRUE(none.done());
  none.wait();
  queue.wait_for(none);
  float value = 3, back = 0;
  const DeviceTensor one(queue.device(), DType::f32, {1}, "one"),
      empty(queue.device(), DType::f32, {0}, "empty");
  EXPECT_TRUE(transfers.write(empty, nullptr).done());
  const Event written = transfers.write(one, &value, {&none, 1});
  const Event copy = written;  // shared
  transfers.read(one, &back, {&copy, 1}).wait();
  EXPECT_EQ(back, 3);
}

TEST(UploadRing, StreamsMoreThanItHolds) {
  auto& queue = testing::shared_queue();
  UploadRing ring(queue.device(), 3, 4096, "test", nullptr);
  const auto expected = testing::random_floats(50001, 1);  // 48 slots and a bit
  const DeviceTensor to(queue.device(), DType::f32, {50007}, "to");
  queue.fill_zero(to);
  Event done;
  // From a thread of its own, as the prefetching readers use it; into the middle of a tensor, after the
  // computation's zeros.
  const Event zeroed = queue.mark();
  std::thread([&] {
    const runtime::TensorView part = to.view().rows(3, 50001);
    done = ring.upload(part, {&zeroed, 1}, [&](std::uint64_t offset, std::span<std::byte> slot) {
      std::memcpy(slot.data(), reinterpret_cast<const std::byte*>(expected.data()) + offset, slot.size());
    });
  }).join();
  queue.wait_for(done);
  const auto found = runtime::read_floats(queue, to);
  for (const std::size_t edge : {0u, 1u, 2u, 50004u, 50005u, 50006u}) EXPECT_EQ(found[edge], 0.0f);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), found.begin() + 3));
  EXPECT_THROW(ring.upload(to, {}, [](auto, auto) { throw IoError("gone"); }), IoError);
}

}  // namespace
}  // namespace apiq
