// State and output as files, and a whole tuning of one small kernel on the device at hand.
#include "apiq/tune.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apiq/error.hpp"
#include "cases/public_device.hpp"
#include "runtime/device.hpp"
#include "support/temporary_folder.hpp"
#include "tune/search_space.hpp"
#include "tune/tune_state.hpp"
#include "tune/tuning_output.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;

DeviceInfo info_of(const char* driver) {
  DeviceInfo info;
  info.name = "some device";
  info.driver = driver;
  return info;
}

TunedKernel sample_kernel() {
  TunedKernel k;
  k.name = "rmsnorm";
  k.outcome = TuneOutcome::faster;
  k.finished = true;
  k.preset = {{"VW", 16}, {"ROWS", 4}};
  k.values = {{"VW", 8}, {"ROWS", 2}};
  k.speedup = 1.25;
  k.spread = 0.03;
  k.measured = 7;
  k.rejected = {{"wrong result", 1}};
  k.cases = {{"fwd", 10, 20, 2.5, 2.0}};
  return k;
}

TEST(TuneState, KeepsWhatWasMeasuredForTheSameDeviceAndKernel) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "out.json.state";
  tuning::TuneState written(path, info_of("1"));
  auto& kernel = written.of("rmsnorm", "abc");
  kernel.memo = {{"VW=8", {0.1 + 0.2, {}}}, {"VW=4", {tuning::kRefused, "wrong result"}}};
  kernel.finished = true;
  kernel.result = sample_kernel();
  kernel.has_result = true;
  written.save();

  tuning::TuneState read(path, info_of("1"));
  read.load();
  const auto& same = read.of("rmsnorm", "abc");
  EXPECT_EQ(same.memo, kernel.memo) << "to the last bit";
  EXPECT_TRUE(same.finished);
  ASSERT_TRUE(same.has_result);
  EXPECT_EQ(same.result.values, kernel.result.values);
  EXPECT_EQ(same.result.rejected, kernel.result.rejected);
  EXPECT_EQ(same.result.cases.at(0).ms, 2.0);
  EXPECT_TRUE(read.of("rmsnorm", "the kernel changed").memo.empty());
  read.of("swiglu", "def");
  read.forget("rmsnorm");
  read.save();
  EXPECT_TRUE(fs::exists(path)) << "another kernel is not finished";
  read.forget("swiglu");
  read.save();
  EXPECT_FALSE(fs::exists(path));
  written.save();
  tuning::TuneState other(path, info_of("2"));
  other.load();
  EXPECT_TRUE(other.of("rmsnorm", "abc").memo.empty()) << "another driver";
  std::ofstream(path) << "{\"version\": 1";
  EXPECT_THROW(tuning::TuneState(path, info_of("1")).load(), FormatError);
}

TEST(TuneState, ASettingThatEndsTheProcessIsTriedTwice) {
  const test::TemporaryFolder folder;
  const auto next_process = [&] {
    auto state = std::make_unique<tuning::TuneState>(folder.path() / "state", info_of("1"));
    state->load();
    return state;
  };
  EXPECT_TRUE(next_process()->begin("qgemv", "VW=8"));
  EXPECT_TRUE(next_process()->begin("qgemv", "VW=8"));
  const auto third = next_process();
  EXPECT_FALSE(third->begin("qgemv", "VW=8"));
  EXPECT_TRUE(third->begin("qgemv", "VW=4"));
  third->end();
  third->save();
  EXPECT_TRUE(next_process()->begin("qgemv", "VW=4")) << "that one ended well";
}

TEST(TuningOutput, ReplacesOneKernelAndKeepsTheRest) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "new" / "out.json";
  runtime::Device& device = testing::public_device().impl();
  {
    tuning::TuningOutput output(path, device);
    output.make_folder();
    TunedKernel other = sample_kernel();
    other.name = "swiglu";
    other.values = {{"VW", 8}, {"ITEMS", 64}};
    output.record(other);
    output.record(sample_kernel());
  }
  const auto written = runtime::read_tuning_file(path);
  EXPECT_EQ(written.tunables.at("rmsnorm"), (runtime::TunedValues{{"ROWS", 2}, {"VW", 8}}));
  EXPECT_EQ(written.choices, device.tuning().measured().choices) << "what held for the device keeps holding";
  std::ifstream file(path);
  const auto json = nlohmann::json::parse(file);
  EXPECT_EQ(json["device"], device.info().name);
  EXPECT_EQ(json["driver"], device.info().driver);
  EXPECT_EQ(json["gains"]["rmsnorm"]["speedup"], 1.25);
  EXPECT_EQ(json["gains"]["rmsnorm"]["cases"]["fwd"]["milliseconds"], 2.0);

  TunedKernel stays = sample_kernel();
  stays.outcome = TuneOutcome::preset_stays;
  tuning::TuningOutput(path, device).record(stays);
  const auto after = runtime::read_tuning_file(path);
  EXPECT_FALSE(after.tunables.contains("rmsnorm")) << "an entry without a gain goes";
  EXPECT_TRUE(after.tunables.contains("swiglu"));
}

TEST(TuningOutput, LeavesOutEntriesOfKernelsAsTheyWere) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.write(
      "out.json",
      R"({"tunables": {"removed": {"VW": 4}, "swiglu": {"WIDTH": 4}, "qgemv": {"VW": 16, "RV": 32},
                                                       "loss": {"VW": 8}}, "choices": {}})");
  const tuning::TuningOutput output(path, testing::public_device().impl());
  ASSERT_EQ(output.data().tunables.size(), 1u) << "a program, a tunable and a combination that are not";
  EXPECT_EQ(output.data().tunables.at("loss"), (runtime::TunedValues{{"VW", 8}}));
}

/// One search of a small kernel: interrupted at its first setting, gone on with by the same call, then read
/// by the next opening.
TEST(Tune, StopsResumesAndWritesWhatTheNextOpeningReads) {
  const test::TemporaryFolder folder;
  Device& device = testing::public_device();
  const fs::path output = folder.path() / "out.json", state = folder.path() / "out.json.state";
  const TuneOptions options{.seconds = 60, .kernels = {"loss"}, .output = output};
  std::atomic<bool> stop = false;
  bool interrupt = true;
  std::uint64_t tried = 0;
  Callbacks callbacks;
  callbacks.stop = &stop;
  callbacks.progress = [&](const Progress&) {
    ++tried;
    stop = interrupt;
  };
  EXPECT_THROW(tune(device, options, callbacks), Interrupted);
  EXPECT_EQ(tried, 1u);
  ASSERT_TRUE(fs::exists(state));
  EXPECT_FALSE(fs::exists(output));

  stop = interrupt = false;
  tried = 0;  // what was cut short is measured again, and nothing else
  const TuneResult result = tune(device, options, callbacks);
  EXPECT_TRUE(result.finished);
  ASSERT_EQ(result.kernels.size(), 1u);
  const TunedKernel& kernel = result.kernels[0];
  std::uint64_t known = kernel.measured;
  for (const auto& [reason, count] : kernel.rejected) known += count;
  EXPECT_EQ(known, tried + 1) << "the preset needs no measuring";
  EXPECT_GT(tried, 1u);
  EXPECT_FALSE(fs::exists(state)) << "finished";
  EXPECT_EQ(runtime::read_tuning_file(output).tunables.contains("loss"),
            kernel.outcome == TuneOutcome::faster);

  // The device uses it at once, and the next opening finds it where the environment says.
  const auto in_use = [](Device& d) { return tuning::point_of(d.impl().tuning().values("loss")); };
  const tuning::Point values(kernel.values.begin(), kernel.values.end());
  EXPECT_EQ(in_use(device), values);
  fs::rename(output, folder.path() / runtime::tuning_file_name(device.info().name));
  ::setenv("APIQ_TUNING_DIR", folder.path().c_str(), 1);
  Device again = Device::open({.selector = device.info().name});
  ::unsetenv("APIQ_TUNING_DIR");
  EXPECT_EQ(in_use(again), values);
}

TEST(Tune, RefusesKernelsThatAreNotThereOrNotSearched) {
  const test::TemporaryFolder folder;
  for (const char* name : {"no such kernel", "pack"})
    EXPECT_THROW(tune(testing::public_device(), {.kernels = {name}, .output = folder.path() / "out.json"}),
                 InvalidArgument)
        << name;
}

}  // namespace
}  // namespace apiq
