#include "util/trace.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "ops/nn.hpp"
#include "runtime/pinned_buffer.hpp"
#include "runtime/transfer_queue.hpp"
#include "support/temporary_folder.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

using nlohmann::json;
using Lane = Trace::Lane;

json written(const Trace& trace) {
  const test::TemporaryFolder folder;
  trace.write(folder.path() / "trace.json");
  return json::parse(read_file(folder.path() / "trace.json"));
}

std::vector<json> spans_of(const json& file, Lane lane) {
  std::vector<json> out;
  for (const auto& event : file["traceEvents"])
    if (event["ph"] == "X" && event["tid"] == static_cast<int>(lane)) out.push_back(event);
  return out;
}

TEST(Trace, WritesSpansOfEveryThreadInMicroseconds) {
  Trace trace;
  const auto begin = std::chrono::steady_clock::now();
  trace.span(Lane::disk_read, "a \"quoted\"\nname", begin, begin + std::chrono::microseconds(1500));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) Trace::Scope scope(&trace, Lane::host, "work");
    });
  for (auto& thread : threads) thread.join();
  { Trace::Scope nothing(nullptr, Lane::host, "no trace"); }
  const json file = written(trace);
  const auto disk = spans_of(file, Lane::disk_read);
  ASSERT_EQ(disk.size(), 1u);
  EXPECT_EQ(disk[0]["name"], "a \"quoted\"\nname");
  EXPECT_NEAR(disk[0]["dur"], 1500.0, 1e-6);
  EXPECT_GE(disk[0]["ts"], 0.0);
  EXPECT_EQ(spans_of(file, Lane::host).size(), 400u);
  std::map<int, std::string> lanes;
  for (const auto& event : file["traceEvents"])
    if (event["name"] == "thread_name") lanes[event["tid"]] = event["args"]["name"];
  EXPECT_EQ(lanes.size(), 6u);
  EXPECT_EQ(lanes[static_cast<int>(Lane::disk_read)], "disk read");
}

TEST(Trace, KeepsAtMostItsLimitAndSaysSo) {
  Trace trace(10);
  const auto now = std::chrono::steady_clock::now();
  for (int i = 0; i < 25; ++i) trace.span(Lane::host, "span " + std::to_string(i), now, now);
  const json file = written(trace);
  EXPECT_EQ(spans_of(file, Lane::host).size(), 10u);
  EXPECT_EQ(file["otherData"]["spans_dropped"], "15");
  EXPECT_THROW(trace.write("/no/such/folder/trace.json"), IoError);
}

TEST(Trace, KernelsBecomeLabelledSpansOnTheHostsClock) {
  const auto device =
      runtime::Device::open({.selector = testing::shared_device().info().is_cpu ? "cpu" : "auto",
                             .memory_bytes = 0,
                             .profile = true});
  auto& queue = device->queue();
  const runtime::DeviceTensor x(*device, DType::f32, {1 << 16}, "x");
  queue.fill_zero(x);
  ops::add(queue, x, x, x);  // built before anything is timed
  queue.finish();
  Trace trace;
  queue.trace(&trace);
  const auto begin = std::chrono::steady_clock::now();
  trace.label("block 0");
  for (int i = 0; i < 5; ++i) ops::add(queue, x, x, x);
  trace.label("block 1");
  for (int i = 0; i < 5; ++i) ops::add(queue, x, x, x);
  trace.label("");
  ops::add(queue, x, x, x);
  queue.finish();
  const auto end = std::chrono::steady_clock::now();
  trace.span(Lane::host, "all", begin, end);
  queue.trace(nullptr);
  ops::add(queue, x, x, x);

  const json file = written(trace);
  const auto compute = spans_of(file, Lane::compute), host = spans_of(file, Lane::host);
  ASSERT_GE(compute.size(), 3u);
  EXPECT_LE(compute.size(), 11u);
  EXPECT_EQ(compute.front()["name"], "block 0");
  ASSERT_EQ(queue.profiler().rows().size(), 1u);
  EXPECT_EQ(compute.back()["name"], queue.profiler().rows()[0].name) << "without a label";
  // The two clocks are matched by one command whose end the host hears a little late; 20 ms is far above that
  // on a busy machine.
  const double slack = 20000, first = host[0]["ts"], last = first + host[0]["dur"].get<double>();
  double previous = 0;
  for (const auto& span : compute) {
    const double ts = span["ts"], stop = ts + span["dur"].get<double>();
    EXPECT_GE(ts, previous);
    EXPECT_GT(ts, first - slack);
    EXPECT_LT(stop, last + slack);
    previous = ts;
  }
  EXPECT_THROW(testing::shared_queue().trace(&trace), InvalidArgument) << "opened without profiling";
}

TEST(Trace, CopiesHaveTheirLanes) {
  auto& device = testing::shared_device();
  Trace trace;
  const runtime::DeviceTensor x(device, DType::f32, {1 << 16}, "x");
  runtime::PinnedBuffer host(device, 4 << 16, "host");
  {
    runtime::TransferQueue transfers(device, "weights", &trace);
    for (int i = 0; i < 300; ++i) transfers.write(x, host.data());
    transfers.read(x, host.data());
  }
  const json file = written(trace);
  const auto uploads = spans_of(file, Lane::upload), downloads = spans_of(file, Lane::download);
  EXPECT_EQ(uploads.size(), 300u);
  ASSERT_EQ(downloads.size(), 1u);
  EXPECT_EQ(downloads[0]["name"], "weights");
  EXPECT_GE(downloads[0]["ts"].get<double>(), uploads.back()["ts"].get<double>());
}

}  // namespace
}  // namespace apiq
