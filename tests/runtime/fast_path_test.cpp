// What is decided about fast paths without running anything: gates, the setting, the cache, and what may be
// rounded.
#include <gmock/gmock.h>

#include "apiq/error.hpp"
#include "runtime/fast_path_cache.hpp"
#include "runtime/fast_path_gates.hpp"
#include "runtime/fast_path_setting.hpp"
#include "runtime/rounding.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

DeviceInfo device(const char* vendor, const char* platform) {
  DeviceInfo info;
  info.name = "a device";
  info.vendor = vendor;
  info.platform = platform;
  return info;
}

TEST(Gates, NvidiaNeedsItsOwnDriverAndCapability8) {
  DeviceInfo h200 = device("NVIDIA Corporation", "NVIDIA CUDA");
  EXPECT_THAT(runtime::nv_mma_gate(h200), HasSubstr("does not tell"));
  h200.compute_capability = 90;
  EXPECT_THAT(runtime::nv_mma_gate(h200), IsEmpty());
  h200.compute_capability = 75;
  EXPECT_THAT(runtime::nv_mma_gate(h200), HasSubstr("7.5, needs 8.0"));
  h200.compute_capability = 80;
  EXPECT_THAT(runtime::nv_mma_gate(h200), IsEmpty());
  h200.platform = "rusticl";
  EXPECT_THAT(runtime::nv_mma_gate(h200), HasSubstr("rusticl"));
  EXPECT_THAT(runtime::nv_mma_gate(device("pocl", "Portable Computing Language")),
              HasSubstr("not an NVIDIA"));
}

TEST(Gates, AmdNeedsItsOwnCompilerAndTheWavesOfTheUnit) {
  DeviceInfo cdna = device("Advanced Micro Devices, Inc.", "AMD Accelerated Parallel Processing");
  EXPECT_THAT(runtime::amd_mfma_gate(cdna), HasSubstr("unknown"));
  cdna.wavefront_width = 64;
  EXPECT_THAT(runtime::amd_mfma_gate(cdna), IsEmpty());
  EXPECT_THAT(runtime::amd_wmma_gate(cdna), HasSubstr("32 lanes, the device has 64"));
  cdna.wavefront_width = 32;
  EXPECT_THAT(runtime::amd_wmma_gate(cdna), IsEmpty());
  cdna.platform = "rusticl";
  EXPECT_THAT(runtime::amd_wmma_gate(cdna), HasSubstr("rusticl")) << "builtins do not pass through SPIR-V";
}

TEST(Gates, IntelNeedsTheExtensionAndTheUnitsSubGroup) {
  DeviceInfo arc = device("Intel(R) Corporation", "Intel(R) OpenCL Graphics");
  EXPECT_THAT(runtime::intel_dpas8_gate(arc), HasSubstr("matrix_multiply_accumulate"));
  arc.extensions = "cl_khr_fp16 cl_intel_subgroup_matrix_multiply_accumulate";
  EXPECT_THAT(runtime::intel_dpas8_gate(arc), HasSubstr("unknown"));
  arc.sub_group_sizes = {8, 16, 32};
  EXPECT_THAT(runtime::intel_dpas8_gate(arc), IsEmpty());
  EXPECT_THAT(runtime::intel_dpas16_gate(arc), HasSubstr("16"));
  arc.sub_group_sizes = {16, 32};
  EXPECT_THAT(runtime::intel_dpas8_gate(arc), HasSubstr("8"));
  EXPECT_THAT(runtime::intel_dpas16_gate(arc), IsEmpty());
  arc.is_cpu = true;
  EXPECT_THAT(runtime::intel_dpas16_gate(arc), HasSubstr("CPU"));
}

const std::vector<std::string> kPaths{"nv_mma.f16", "nv_mma.bf16", "emulated.f16"};

runtime::FastPathSetting setting(const char* text) { return runtime::FastPathSetting::parse(text, kPaths); }

TEST(Setting, NamesAllowForbidAndForce) {
  EXPECT_TRUE(setting("").allows("nv_mma.f16"));
  EXPECT_FALSE(setting("auto").forces("nv_mma.f16"));
  EXPECT_FALSE(setting("").allows("emulated.f16", true)) << "a path for tests is tried only by name";
  EXPECT_TRUE(setting("all").forces("nv_mma.f16"));
  EXPECT_FALSE(setting("all").allows("emulated.f16", true));
  EXPECT_FALSE(setting("none").allows("nv_mma.f16"));
  EXPECT_TRUE(setting("emulated").allows("emulated.f16", true)) << "a kind names all its paths";
  EXPECT_TRUE(setting("emulated").forces("emulated.f16"));
  EXPECT_FALSE(setting("emulated").allows("nv_mma.f16"));
  EXPECT_FALSE(setting("-nv_mma.f16").allows("nv_mma.f16"));
  EXPECT_TRUE(setting("-nv_mma.f16").allows("nv_mma.bf16"));
  EXPECT_FALSE(setting("-nv_mma,-emulated").allows("nv_mma.bf16"));
  EXPECT_FALSE(setting("-nv_mma").forces("emulated.f16"));
}

TEST(Setting, WhatCannotBeReadIsAnErrorThatListsThePaths) {
  for (const char* text : {"nv", "nv_mma,all", "-nv_mma,emulated", "-"}) {
    try {
      setting(text);
      FAIL() << text;
    } catch (const InvalidArgument& error) {
      EXPECT_THAT(error.what(), HasSubstr("APIQ_FAST_PATHS='" + std::string(text) + "'"));
    }
  }
}

TEST(FastPathCache, KeepsAReportPerDriverAndSource) {
  const test::TemporaryFolder folder;
  DeviceInfo info = device("NVIDIA Corporation", "NVIDIA CUDA");
  info.driver = "1";
  const runtime::FastPathCache cache(info, folder.path());
  FastPathReport report;
  report.path = "nv_mma.f16";
  report.stage = "self-test";
  report.reason = "\xff wrong";  // compilers' texts are no UTF-8 at times
  report.speeds = {{"dense_nt", "few", 2.5}};
  cache.store(report, "sources");
  const auto kept = cache.load("nv_mma.f16", "sources");
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->stage, "self-test");
  EXPECT_THAT(kept->reason, HasSubstr("wrong"));
  ASSERT_EQ(kept->speeds.size(), 1u);
  EXPECT_EQ(kept->speeds[0].ratio, 2.5);
  EXPECT_FALSE(cache.load("nv_mma.f16", "other sources"));
  EXPECT_FALSE(cache.load("nv_mma.bf16", "sources"));
  info.driver = "2";
  EXPECT_FALSE(runtime::FastPathCache(info, folder.path()).load("nv_mma.f16", "sources"))
      << "another driver must be tried again";
  for (const auto& file : std::filesystem::directory_iterator(folder.path()))
    std::filesystem::resize_file(file, 70);
  EXPECT_FALSE(cache.load("nv_mma.f16", "sources")) << "damage is a miss";
}

TEST(FastPathCache, ATrialThatEndsTheProcessIsRepeatedOnce) {
  const test::TemporaryFolder folder;
  const runtime::FastPathCache cache(device("v", "p"), folder.path());
  const auto crash = [&] {
    EXPECT_EXIT((cache.begin("x", "sources"), ::_exit(3)), ::testing::ExitedWithCode(3), "");
  };
  crash();
  EXPECT_FALSE(cache.load("x", "sources"));
  cache.begin("x", "sources");
  EXPECT_FALSE(cache.load("x", "sources")) << "under way in a process that lives";
  cache.forget("x", "sources");
  crash();
  crash();
  ASSERT_TRUE(cache.load("x", "sources"));
  EXPECT_THAT(cache.load("x", "sources")->reason, HasSubstr("two trials"));
  EXPECT_FALSE(cache.load("x", "other sources"));
}

TEST(Compute, GradientsNeverGoToF16) {
  using runtime::Rounding;
  using runtime::Work;
  for (const Work work : {Work::inference, Work::training, Work::gradient}) {
    EXPECT_EQ(runtime::rounding_of(Compute::f32, work), Rounding::none);
    EXPECT_EQ(runtime::rounding_of(Compute::bf16, work), Rounding::bf16);
  }
  EXPECT_EQ(runtime::rounding_of(Compute::f16, Work::training), Rounding::f16);
  EXPECT_EQ(runtime::rounding_of(Compute::f16, Work::gradient), Rounding::bf16);
  EXPECT_EQ(runtime::rounding_of(Compute::automatic, Work::inference), Rounding::f16);
  EXPECT_EQ(runtime::rounding_of(Compute::automatic, Work::training), Rounding::bf16);
  EXPECT_EQ(runtime::rounding_of(Compute::automatic, Work::gradient), Rounding::bf16);
}

}  // namespace
}  // namespace apiq
