#include "runtime/kernel_registry.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "apiq/error.hpp"
#include "runtime/tuning.hpp"

namespace apiq {
namespace {

TEST(KernelRegistry, EveryRowIsCompleteAndNamedOnce) {
  std::set<std::string_view> names;
  for (const auto& spec : runtime::kernel_specs()) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_FALSE(spec.entries.empty()) << spec.name;
    EXPECT_FALSE(spec.meanings.empty()) << spec.name << ": at least one meaning, so that the offline check compiles it";
    const std::string source = runtime::joined_source(spec);
    for (const auto entry : spec.entries) EXPECT_NE(source.find(std::string(entry) + "("), std::string::npos) << spec.name << " lacks " << entry;
    for (const auto path : spec.sources) EXPECT_NE(source.find("#line 1 \"" + std::string(path) + "\""), std::string::npos);
  }
  EXPECT_THROW(runtime::kernel_spec("no such kernel"), InvalidArgument);
}

TEST(Tuning, PresetFollowsTheDeviceClassAndMeasuredValuesWin) {
  const auto& spec = *std::find_if(runtime::kernel_specs().begin(), runtime::kernel_specs().end(), [](const auto& s) { return !s.tunables.empty(); });
  const std::string tunable(spec.tunables[0].name);
  DeviceInfo info;
  info.name = "Some GPU (Rev. 2)";
  info.is_cpu = false;
  EXPECT_EQ(runtime::value_of(runtime::Tuning(info).values(spec.name), tunable), spec.tunables[0].gpu);
  info.is_cpu = true;
  EXPECT_EQ(runtime::value_of(runtime::Tuning(info).values(spec.name), tunable), spec.tunables[0].cpu);

  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("apiq_tuning_test_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "some-gpu-rev-2.json") << "{\"tunables\": {\"" << spec.name << "\": {\"" << tunable << "\": 77}, \"" << spec.name
                                                << ".small\": {\"" << tunable << "\": 78}}, \"choices\": {\"gemm.engine\": \"clblast\"}}";
  ::setenv("APIQ_TUNING_DIR", folder.c_str(), 1);
  const runtime::Tuning tuned(info);
  EXPECT_EQ(runtime::value_of(tuned.values(spec.name), tunable), 77);
  EXPECT_EQ(runtime::value_of(tuned.values(spec.name, "small"), tunable), 78);
  EXPECT_EQ(tuned.choice("gemm.engine", "own"), "clblast");
  EXPECT_EQ(tuned.choice("other", "own"), "own");
  std::ofstream(folder / "some-gpu-rev-2.json") << "not json";
  EXPECT_THROW(runtime::Tuning{info}, FormatError);
  ::unsetenv("APIQ_TUNING_DIR");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace apiq
