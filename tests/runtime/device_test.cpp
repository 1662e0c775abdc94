#include "runtime/device.hpp"

#include <gtest/gtest.h>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "runtime/device_list.hpp"

namespace apiq {
namespace {

runtime::FoundDevice fake(int platform, int index, const char* name, bool is_cpu, bool shares_host_memory,
                          unsigned units) {
  runtime::FoundDevice device;
  device.info.platform_index = platform;
  device.info.device_index = index;
  device.info.name = name;
  device.info.is_cpu = is_cpu;
  device.info.shares_host_memory = shares_host_memory;
  device.info.compute_units = units;
  return device;
}

const std::vector<runtime::FoundDevice> kMachine = {
    fake(0, 0, "pthread-znver4", true, true, 64), fake(1, 0, "Iris Xe", false, true, 512),
    fake(2, 0, "NVIDIA H200", false, false, 132), fake(2, 1, "NVIDIA H200", false, false, 132)};

std::string chosen(const std::string& selector) {
  const auto info = runtime::choose_device(kMachine, selector).info;
  return std::to_string(info.platform_index) + ":" + std::to_string(info.device_index);
}

TEST(ChooseDevice, FollowsTheSelector) {
  EXPECT_EQ(chosen("auto"), "2:0") << "memory of its own before shared memory, the first of equals";
  EXPECT_EQ(chosen("gpu"), "2:0");
  EXPECT_EQ(chosen("cpu"), "0:0");
  EXPECT_EQ(chosen("2:1"), "2:1");
  EXPECT_EQ(chosen("iris"), "1:0") << "names match without case";
}

TEST(ChooseDevice, SaysWhatThereIsWhenNothingMatches) {
  try {
    runtime::choose_device(kMachine, "radeon");
    FAIL();
  } catch (const Unsupported& error) {
    EXPECT_NE(std::string(error.what()).find("1:0 Iris Xe"), std::string::npos) << error.what();
  }
  EXPECT_THROW(runtime::choose_device({}, "auto"), Unsupported);
}

TEST(Device, BuildFailureNamesKernelFileAndLine) {
  auto& device = testing::shared_device();
  const std::string source =
      "#line 7 \"cl/nn/broken.cl\"\nkernel void broken(global float* y) { y[0] = undeclared_name; }\n";
  try {
    device.probe_build(source, "");
    FAIL() << "the source is wrong";
  } catch (const BuildError& error) {
    EXPECT_NE(std::string(error.what()).find("broken.cl:7"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "one line";
    EXPECT_NE(error.log().find("undeclared_name"), std::string::npos);
  }
}

TEST(Queue, MovesBytesBetweenHostAndViews) {
  auto& queue = testing::shared_queue();
  const auto values = testing::random_floats(64, 1);
  const auto tensor = testing::upload(values, {4, 16});
  const runtime::TensorView view = tensor;
  const auto copy = testing::device_tensor({4, 16});
  queue.fill_zero(copy);
  queue.copy(view.rows(1, 2), runtime::TensorView(copy).rows(2, 2));
  const auto back = testing::download(copy);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(back[i], 0.0f);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(back[32 + i], values[16 + i]);
  EXPECT_THROW(view.rows(3, 2), ShapeError);
  EXPECT_THROW(view.reshaped({65}), ShapeError);
  EXPECT_THROW(queue.copy(view, runtime::TensorView(copy).rows(0, 1)), ShapeError);
}

TEST(Profiler, CountsLaunchesPerKernel) {
  auto device = runtime::Device::open({.selector = "auto", .memory_bytes = 0, .profile = true});
  auto& queue = device->queue();
  const runtime::DeviceTensor tensor(*device, DType::f32, {1024}, "test");
  EXPECT_TRUE(queue.profiler().rows().empty());
  EXPECT_TRUE(queue.profiler().enabled());
}

}  // namespace
}  // namespace apiq
