#include "runtime/device.hpp"

#include <gtest/gtest.h>

#include <set>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "runtime/device_list.hpp"
#include "runtime/opencl.hpp"

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

const runtime::DeviceSearch kMachine = {
    {fake(0, 0, "pthread-znver4", true, true, 64), fake(1, 0, "Iris Xe", false, true, 512),
     fake(2, 0, "NVIDIA H200", false, false, 132), fake(2, 1, "NVIDIA H200", false, false, 132)},
    {},
    64};

/// Two cores with Intel's runtime, PoCL and a rasterizer that claims eight.
runtime::DeviceSearch cpu_machine() {
  runtime::DeviceSearch out{
      {fake(0, 0, "AMD EPYC", true, true, 2), fake(1, 0, "pthread-skylake-avx512-AMD EPYC", true, true, 2),
       fake(2, 0, "llvmpipe (LLVM 19.1.7, 256 bits)", true, true, 8)},
      {},
      2};
  out.devices[0].info.platform = "Intel(R) OpenCL";
  out.devices[0].info.vendor = "Intel(R) Corporation";
  out.devices[1].info.platform = "Portable Computing Language";
  out.devices[1].info.platform_version = "OpenCL 3.0 PoCL 3.1";
  out.devices[1].info.vendor = "AuthenticAMD";
  out.devices[2].info.platform = "rusticl";
  out.devices[2].info.vendor = "Mesa";
  return out;
}

std::string chosen(const std::string& selector, const runtime::DeviceSearch& machine = kMachine) {
  const auto info = runtime::choose_device(machine, selector).info;
  return std::to_string(info.platform_index) + ":" + std::to_string(info.device_index);
}

TEST(ChooseDevice, FollowsTheSelector) {
  EXPECT_EQ(chosen("auto"), "2:0") << "memory of its own before shared memory, the first of equals";
  EXPECT_EQ(chosen("gpu"), "2:0");
  EXPECT_EQ(chosen("cpu"), "0:0");
  EXPECT_EQ(chosen("2:1"), "2:1");
  EXPECT_EQ(chosen("iris"), "1:0") << "names match without case";
  EXPECT_EQ(chosen("GPU"), "2:0") << "and so do key words";
  EXPECT_EQ(chosen("Auto"), "2:0");
  EXPECT_EQ(runtime::choose_device(kMachine, "gpu").matching, 3u);
  EXPECT_EQ(runtime::choose_device(kMachine, "2:1").matching, 1u);
}

TEST(ChooseDevice, ASecondRuntimeForTheCpuDoesNotBecomeTheDefault) {
  auto machine = cpu_machine();
  EXPECT_EQ(chosen("auto", machine), "1:0") << "PoCL, whatever the order of the platforms";
  EXPECT_EQ(runtime::choose_device(machine, "auto").matching, 3u);
  machine.devices.erase(machine.devices.begin() + 1);
  EXPECT_EQ(chosen("auto", machine), "0:0") << "llvmpipe last, whatever it claims";
  machine.devices.erase(machine.devices.begin());
  EXPECT_EQ(chosen("auto", machine), "2:0") << "and if there is nothing else";
}

TEST(ChooseDevice, UnitsOfACpuCountUpToTheHostsCores) {
  runtime::DeviceSearch machine{
      {fake(0, 0, "boasting", true, true, 64), fake(1, 0, "honest", true, true, 4)}, {}, 4};
  EXPECT_EQ(chosen("auto", machine), "0:0") << "equal, so the first";
  machine.devices[0].info.compute_units = 3;
  EXPECT_EQ(chosen("auto", machine), "1:0");
}

TEST(ChooseDevice, VendorsAndPlatformsAreNamesToo) {
  const auto machine = cpu_machine();
  EXPECT_EQ(chosen("intel", machine), "0:0");
  EXPECT_EQ(chosen("pocl", machine), "1:0");
  EXPECT_EQ(chosen("Portable", machine), "1:0");
  EXPECT_EQ(chosen("mesa", machine), "2:0");
  EXPECT_EQ(chosen("epyc", machine), "1:0");
}

TEST(ChooseDevice, ABareNumberIsRefusedWithTheFormThatWorks) {
  try {
    runtime::choose_device(cpu_machine(), "1");
    FAIL() << "the 1 in avx512";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("P:D"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("1:0 pthread"), std::string::npos) << error.what();
  }
  EXPECT_THROW(runtime::choose_device(cpu_machine(), "512"), InvalidArgument);
  EXPECT_THROW(runtime::choose_device(cpu_machine(), ""), InvalidArgument);
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

TEST(ChooseDevice, NamesAPlatformThatGaveNoDevice) {
  try {
    runtime::choose_device({{}, {"Portable Computing Language (CL_DEVICE_NOT_FOUND)"}, 2}, "auto");
    FAIL();
  } catch (const Unsupported& error) {
    const std::string text = error.what();
    for (const char* part : {"Portable Computing Language (CL_DEVICE_NOT_FOUND)", "HOME", "POCL_CACHE_DIR"})
      EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_EQ(text.find("install a driver"), std::string::npos) << text;
  }
}

TEST(DeriveLimits, ABufferIsNeverLargerThanTheDeviceReports) {
  DeviceInfo info;
  info.is_cpu = true;
  info.reported_max_buffer_bytes = 128 << 20;
  runtime::derive_limits(info, std::uint64_t{8} << 30, 0);
  EXPECT_EQ(info.max_buffer_bytes, 128u << 20);
  EXPECT_EQ(info.default_budget_bytes, std::uint64_t{4} << 30);
}

TEST(DeriveLimits, SubGroupsOfOpenCl3AreSeen) {
  const auto has = [](const char* extensions, unsigned max_sub_groups) {
    DeviceInfo info;
    info.extensions = extensions;
    runtime::derive_limits(info, 0, max_sub_groups);
    return info.has_sub_groups;
  };
  EXPECT_FALSE(has("cl_khr_fp64 cl_khr_fp16", 0));
  EXPECT_TRUE(has("cl_khr_subgroups", 0));
  EXPECT_TRUE(has("cl_khr_subgroup_shuffle cl_khr_subgroup_ballot", 0));
  EXPECT_TRUE(has("", 64)) << "a device that answers the question";
}

TEST(ErrorName, EveryStandardCodeHasItsOwn) {
  std::set<std::string_view> names;
  for (int code = 0; code >= -72; --code) {
    if (code < -19 && code > -30) continue;  // the standard leaves these out
    const std::string_view name = runtime::error_name(code);
    EXPECT_TRUE(name.starts_with("CL_")) << code;
    EXPECT_TRUE(names.insert(name).second) << name << " twice";
  }
  EXPECT_EQ(runtime::error_name(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
            "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST");
  EXPECT_EQ(runtime::error_name(CL_MISALIGNED_SUB_BUFFER_OFFSET), "CL_MISALIGNED_SUB_BUFFER_OFFSET");
  EXPECT_EQ(runtime::error_name(CL_KERNEL_ARG_INFO_NOT_AVAILABLE), "CL_KERNEL_ARG_INFO_NOT_AVAILABLE");
  EXPECT_EQ(runtime::error_name(CL_INVALID_VALUE), "CL_INVALID_VALUE");
  EXPECT_EQ(runtime::error_name(CL_INVALID_GLOBAL_WORK_SIZE), "CL_INVALID_GLOBAL_WORK_SIZE");
  EXPECT_EQ(runtime::error_name(CL_INVALID_DEVICE_PARTITION_COUNT), "CL_INVALID_DEVICE_PARTITION_COUNT");
  EXPECT_EQ(runtime::error_name(-9999), "an unnamed OpenCL error");
  EXPECT_EQ(runtime::error_name(-25), "an unnamed OpenCL error");
  EXPECT_EQ(runtime::error_name(1), "an unnamed OpenCL error");
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
