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
    EXPECT_FALSE(spec.meanings.empty())
        << spec.name << ": at least one meaning, so that the offline check compiles it";
    const std::string source = runtime::joined_source(spec);
    for (const auto entry : spec.entries)
      EXPECT_NE(source.find(std::string(entry) + "("), std::string::npos) << spec.name << " lacks " << entry;
    for (const auto path : spec.sources)
      EXPECT_NE(source.find("#line 1 \"" + std::string(path) + "\""), std::string::npos);
  }
  EXPECT_THROW(runtime::kernel_spec("no such kernel"), InvalidArgument);
}

TEST(Tuning, PresetFollowsTheDeviceClassAndMeasuredValuesWin) {
  const auto& spec = *std::find_if(runtime::kernel_specs().begin(), runtime::kernel_specs().end(),
                                   [](const auto& s) { return !s.tunables.empty(); });
  const std::string tunable(spec.tunables[0].name);
  DeviceInfo info;
  info.name = "Some GPU (Rev. 2)";
  info.is_cpu = false;
  EXPECT_EQ(runtime::value_of(runtime::Tuning(info, Environment::read()).values(spec.name), tunable),
            spec.tunables[0].gpu);
  info.is_cpu = true;
  EXPECT_EQ(runtime::value_of(runtime::Tuning(info, Environment::read()).values(spec.name), tunable),
            spec.tunables[0].cpu);

  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("apiq_tuning_test_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "some-gpu-rev-2.json") << "{\"tunables\": {\"" << spec.name << "\": {\"" << tunable
                                                << "\": 77}}, \"choices\": {\"gemm.engine\": \"clblast\"}}";
  ::setenv("APIQ_TUNING_DIR", folder.c_str(), 1);
  const runtime::Tuning tuned(info, Environment::read());
  EXPECT_EQ(runtime::value_of(tuned.values(spec.name), tunable), 77);
  EXPECT_EQ(tuned.choice("gemm.engine", "own"), "clblast");
  EXPECT_EQ(tuned.choice("other", "own"), "own");
  ::setenv("APIQ_PRESET", "cpu", 1);
  const runtime::Tuning preset(info, Environment::read());
  EXPECT_EQ(runtime::value_of(preset.values(spec.name), tunable), spec.tunables[0].cpu)
      << "the preset that was asked for, not what was measured";
  EXPECT_EQ(preset.choice("gemm.engine", "own"), "clblast");
  ::unsetenv("APIQ_PRESET");
  std::ofstream(folder / "some-gpu-rev-2.json") << "not json";
  EXPECT_THROW(runtime::Tuning(info, Environment::read()), FormatError);
  ::unsetenv("APIQ_TUNING_DIR");
  fs::remove_all(folder);
}

TEST(Tuning, ItsFingerprintIsThatOfItsSettings) {
  DeviceInfo info;
  info.name = "no such device";
  runtime::Tuning tuning(info, {});
  const std::string presets = tuning.fingerprint();
  tuning.set("rmsnorm", {{"WG", 3}});
  EXPECT_NE(tuning.fingerprint(), presets);
  tuning.set("rmsnorm", {});
  EXPECT_EQ(tuning.fingerprint(), presets);
  info.is_cpu = true;
  EXPECT_NE(runtime::Tuning(info, {}).fingerprint(), presets) << "other presets";
}

TEST(Tuning, TheTunerReplacesMeasuredValuesAndTakesThemBack) {
  const auto& spec = runtime::kernel_spec("rmsnorm");
  const std::string tunable(spec.tunables[0].name);
  DeviceInfo info;
  info.name = "no such device";
  runtime::Tuning tuning(info, {});
  tuning.set("rmsnorm", {{tunable, 3}});
  EXPECT_EQ(runtime::value_of(tuning.values("rmsnorm"), tunable), 3);
  EXPECT_EQ(runtime::value_of(tuning.values("rmsnorm"), std::string(spec.tunables[1].name)),
            spec.tunables[1].gpu);
  tuning.set("rmsnorm", {});
  EXPECT_EQ(runtime::value_of(tuning.values("rmsnorm"), tunable), spec.tunables[0].gpu);
}

TEST(Tuning, AFileServesTheDevicesWhoseNamesItBegins) {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("apiq_tuning_lookup_test_" + std::to_string(::getpid()));
  const fs::path first = folder / "user", second = folder / "installed";
  fs::create_directories(first);
  fs::create_directories(second);
  const auto found = [&](const char* name) {
    return runtime::find_tuning_file({first, second, {}}, name).lexically_relative(folder).string();
  };
  const auto put = [](const fs::path& path) { std::ofstream(path) << "{}"; };
  EXPECT_EQ(found("pthread-haswell-AMD EPYC"), "");
  put(second / "pthread-haswell.json");
  EXPECT_EQ(found("pthread-haswell-AMD EPYC"), "installed/pthread-haswell.json");
  EXPECT_EQ(found("pthread-haswell"), "installed/pthread-haswell.json");
  EXPECT_EQ(found("pthread-haswellx-AMD EPYC"), "") << "names end at a '-'";
  put(first / "pthread.json");
  EXPECT_EQ(found("pthread-haswell-AMD EPYC"), "installed/pthread-haswell.json")
      << "the longest name, wherever it is";
  EXPECT_EQ(found("pthread-znver4-AMD EPYC"), "user/pthread.json");
  put(first / "pthread-haswell.json");
  EXPECT_EQ(found("pthread-haswell-AMD EPYC"), "user/pthread-haswell.json")
      << "of equal names the first folder's";
  EXPECT_EQ(found("cpu-haswell-AMD EPYC"), "user/pthread-haswell.json") << "as PoCL 6 calls it";
  put(second / "cpu-haswell.json");
  EXPECT_EQ(found("cpu-haswell-AMD EPYC"), "installed/cpu-haswell.json") << "its own name first";
  EXPECT_EQ(found("pthread-haswell-AMD EPYC"), "user/pthread-haswell.json");
  put(second / "pthread-haswell-amd-epyc.json");
  EXPECT_EQ(found("pthread-haswell-AMD EPYC"), "installed/pthread-haswell-amd-epyc.json")
      << "the device's own file";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace apiq
