// The procedure that decides about fast paths, with paths made for the purpose: right ones, wrong ones, and
// such that do not build.
#include "ops/fast_path/fast_path.hpp"

#include <gmock/gmock.h>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "ops/fast_path/trial.hpp"
#include "ops/gemm_unit.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

using ops::FastPath;
using ops::ProductCall;
using runtime::FastPathCache;
using runtime::FastPathSetting;
using runtime::FastPathState;
using runtime::ProductKind;
using runtime::Queue;
using runtime::Rounding;
using runtime::Rows;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::unique_ptr<runtime::Device> open_device(Compute compute = Compute::automatic) {
  DeviceOptions options;
  if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
  options.compute = compute;
  return runtime::Device::open(options);
}

/// A path that is the portable kernel under another name, until a test changes something.
FastPath path(const char* name) {
  FastPath out;
  out.name = name;
  out.rounding = Rounding::bf16;
  out.products = {ProductKind::dense_nt};
  out.gate = [](const DeviceInfo&) { return std::string(); };
  out.identity = [](Queue&) { return std::string("sources"); };
  out.probe = [](Queue&) { return std::string(); };
  out.run = [](Queue& queue, const ProductCall& call) { ops::run_portable(queue, call); };
  return out;
}

class Settle : public ::testing::Test {
 protected:
  /// Decides about one path on a device just opened.
  FastPathReport decide(const FastPath& one, const char* setting = "", Compute compute = Compute::automatic) {
    return decide_all({one}, setting, compute)[0];
  }

  std::vector<FastPathReport> decide_all(const std::vector<FastPath>& table, const char* setting = "",
                                         Compute compute = Compute::automatic) {
    device_ = open_device(compute);
    ops::settle(device_->queue(), table, FastPathSetting::parse(setting, ops::names_of(table)),
                FastPathCache(device_->info(), folder_.path()));
    return device_->fast_paths().reports;
  }
  int choice(Rows rows) { return device_->fast_paths().choice(Rounding::bf16, ProductKind::dense_nt, rows); }

  void keep(const char* name, double few, double many) {
    FastPathReport report;
    report.path = name;
    report.accepted = true;
    report.speeds = {{"dense_nt", "few", few}, {"dense_nt", "many", many}};
    FastPathCache(open_device()->info(), folder_.path()).store(report, "sources");
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<runtime::Device> device_;
};

TEST_F(Settle, ARightPathIsAcceptedTimedAndKept) {
  int runs = 0;
  FastPath counted = path("twin");
  counted.run = [&](Queue& queue, const ProductCall& call) {
    ++runs;
    ops::run_portable(queue, call);
  };
  const FastPathReport report = decide(counted, "twin");
  EXPECT_TRUE(report.accepted) << report.stage << ": " << report.reason;
  EXPECT_TRUE(report.used) << "forced by name, though it cannot be faster than itself";
  EXPECT_EQ(report.speeds.size(), 2u);
  EXPECT_EQ(choice(Rows::few), 0);
  EXPECT_EQ(choice(Rows::many), 0);
  const int trial = runs;
  EXPECT_GT(trial, 4);
  EXPECT_TRUE(decide(counted, "twin").used);
  EXPECT_EQ(runs, trial) << "the second time comes from the cache";
}

TEST_F(Settle, WrongResultsAreRefusedWithTheirPlace) {
  int runs = 0;
  FastPath wrong = path("wrong");
  wrong.run = [&](Queue& queue, ProductCall call) {
    ++runs;
    if (call.beta != 0) call.beta = 0;  // a kernel that forgets what is in c
    ops::run_portable(queue, call);
  };
  const FastPathReport report = decide(wrong, "all");
  EXPECT_FALSE(report.accepted);
  EXPECT_EQ(report.stage, "self-test");
  EXPECT_THAT(report.reason, HasSubstr("dense_nt of f32, added to c"));
  EXPECT_THAT(report.reason, HasSubstr("row 0, column 0: expected"));
  EXPECT_EQ(choice(Rows::many), FastPathState::kPortable);
  const int trial = runs;
  EXPECT_EQ(decide(wrong, "all").stage, "self-test");
  EXPECT_EQ(runs, trial) << "a refusal is kept as well";
}

TEST_F(Settle, ResultsThatAreNearButNotExactAreRefused) {
  FastPath near = path("near");
  near.run = [](Queue& queue, ProductCall call) {
    call.alpha *= 1.0f + 0x1p-20f;
    ops::run_portable(queue, call);
  };
  EXPECT_EQ(decide(near).stage, "self-test");
}

TEST_F(Settle, AProbeThatDoesNotBuildIsRefusedWithTheLog) {
  FastPath broken = path("broken");
  broken.probe = [](Queue& queue) -> std::string {
    queue.device().probe_build("kernel void probe(global float* x) { x[0] = no_such_instruction(x[0]); }",
                               "");
    return {};
  };
  const FastPathReport report = decide(broken, "all");
  EXPECT_EQ(report.stage, "probe");
  EXPECT_THAT(report.log, HasSubstr("no_such_instruction"));
  EXPECT_EQ(decide(broken, "all").stage, "probe") << "from the cache";
}

TEST_F(Settle, ErrorsOfThePathAreRefusalsAndWantOfMemoryIsNotKept) {
  FastPath failing = path("failing");
  failing.run = [](Queue&, const ProductCall&) { throw DeviceError("[x] CL_OUT_OF_RESOURCES"); };
  EXPECT_THAT(decide(failing).reason, HasSubstr("CL_OUT_OF_RESOURCES"));
  FastPath greedy = path("greedy");
  bool greedy_now = true;
  greedy.probe = [&](Queue&) -> std::string {
    if (greedy_now) throw OutOfDeviceMemory("[x] budget");
    return {};
  };
  EXPECT_EQ(decide(greedy).stage, "probe");
  greedy_now = false;
  EXPECT_TRUE(decide(greedy).accepted) << "tried again once there is memory";
}

TEST_F(Settle, GateSettingAndPrecisionRefuseBeforeAnythingRuns) {
  FastPath gated = path("gated");
  gated.gate = [](const DeviceInfo&) { return std::string("not such a device"); };
  FastPath quiet = path("quiet");
  gated.probe = quiet.probe = [](Queue&) -> std::string { throw Error("the probe ran"); };
  EXPECT_EQ(decide(gated, "all").reason, "not such a device");
  EXPECT_EQ(decide(quiet, "-quiet").stage, "setting");
  EXPECT_EQ(decide(quiet, "none").stage, "setting");
  EXPECT_EQ(decide(quiet, "all", Compute::f32).stage, "setting");
  quiet.by_name_only = true;
  EXPECT_EQ(decide(quiet, "all").stage, "setting");
  EXPECT_THAT(decide(quiet, "quiet").reason, HasSubstr("the probe ran"));
}

TEST_F(Settle, TheFasterPathTakesEachClassOfShapes) {
  keep("first", 0.5, 3.0);
  keep("second", 1.5, 4.0);
  keep("slow", 0.9, 1.02);
  const auto reports = decide_all({path("first"), path("second"), path("slow")});
  EXPECT_EQ(choice(Rows::few), 1);
  EXPECT_EQ(choice(Rows::many), 1);
  EXPECT_TRUE(reports[1].used);
  EXPECT_FALSE(reports[0].used);
  EXPECT_THAT(reports[0].reason, HasSubstr("another path"));
  EXPECT_FALSE(reports[2].used);
  EXPECT_THAT(reports[2].reason, HasSubstr("1.02"));
  decide_all({path("first"), path("slow")});
  EXPECT_EQ(choice(Rows::few), FastPathState::kPortable) << "slower than the portable kernel there";
  EXPECT_EQ(choice(Rows::many), 0);
  decide_all({path("slow")}, "all");
  EXPECT_EQ(choice(Rows::few), 0) << "forced";
}

/// The whole procedure on the emulated unit, as it goes on a device with a real one.
class Emulated : public ::testing::Test {
 protected:
  /// bf16 only: every build costs seconds here, and tests of the unit itself have built these.
  FastPathReport decide() {
    device_ = open_device();
    const auto& table = ops::fast_path_table();
    ops::settle(device_->queue(), table, FastPathSetting::parse("emulated.bf16", ops::names_of(table)),
                FastPathCache(device_->info(), folder_.path()));
    for (const FastPathReport& report : device_->fast_paths().reports)
      if (report.path == "emulated.bf16") return report;
    return {};
  }
  runtime::DeviceTensor tensor(const Shape& shape, std::uint32_t seed) {
    runtime::DeviceTensor out(*device_, DType::f32, shape, "test tensor");
    device_->queue().write(out, testing::random_floats(shape.elements(), seed).data());
    return out;
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<runtime::Device> device_;
};

TEST_F(Emulated, PassesEveryTrialAndTakesOnlyTheProductsThatMayBeRounded) {
  const FastPathReport report = decide();
  EXPECT_TRUE(report.used) << report.stage << ": " << report.reason;

  Queue& queue = device_->queue();
  const auto x = tensor({5, 64}, 1), w = tensor({48, 64}, 2), y = tensor({5, 48}, 3);
  const auto product = [&](Rounding rounding) {
    ops::matmul_nt(queue, rounding, x, w, y);
    return runtime::read_floats(queue, y);
  };
  ops::unit_matmul_nt(queue, {runtime::MatrixUnit::emulated, runtime::InputType::bf16}, x, w, y);
  const auto rounded = runtime::read_floats(queue, y);
  const auto exact = product(Rounding::none);
  EXPECT_EQ(device_->fast_paths().used, 0u);
  EXPECT_NE(exact, rounded);
  EXPECT_EQ(product(Rounding::bf16), rounded);
  EXPECT_NE(device_->fast_paths().used, 0u);
  EXPECT_EQ(product(Rounding::f16), exact) << "f16, for which there is no path here";
  EXPECT_EQ(product(Rounding::none), exact);
  EXPECT_EQ(ops::chosen_path(queue, Rounding::bf16, ProductKind::dense_nt, 1), nullptr)
      << "one row stays with the portable kernel";
}

TEST_F(Emulated, MeasuringThePortableKernelsForgetsNothing) {
  decide();
  Queue& queue = device_->queue();
  const auto chosen = [&] { return ops::chosen_path(queue, Rounding::bf16, ProductKind::dense_nt, 5); };
  const FastPath* before = chosen();
  ASSERT_NE(before, nullptr);
  {
    const ops::PortableOnly portable(queue);
    EXPECT_EQ(chosen(), nullptr);
  }
  EXPECT_EQ(chosen(), before);
  EXPECT_EQ(ops::chosen_paths(queue).at("bf16.dense_nt.few"), "emulated.bf16");
}

TEST_F(Emulated, ColumnsOfAWiderMatrixAreReadWhereTheyLie) {
  decide();
  Queue& queue = device_->queue();
  const auto dy = tensor({64, 40}, 1), x = tensor({64, 24}, 2), got = tensor({9, 24}, 3),
             want = tensor({9, 24}, 4);
  ops::matmul_tn(queue, Rounding::bf16, ops::Columns{dy, 31, 9}, x, got);
  ops::unit_matmul_tn(queue, {runtime::MatrixUnit::emulated, runtime::InputType::bf16},
                      ops::Columns{dy, 31, 9}, x, want);
  EXPECT_EQ(runtime::read_floats(queue, got), runtime::read_floats(queue, want));
}

TEST_F(Emulated, HardwareThatSwapsTwoRegistersIsRefused) {
  ::setenv("APIQ_BUILD_OPTIONS", "-D APIQ_SWAP_REGISTERS=1", 1);
  const FastPathReport report = decide();
  ::unsetenv("APIQ_BUILD_OPTIONS");
  EXPECT_FALSE(report.accepted);
  EXPECT_EQ(report.stage, "self-test");
  EXPECT_THAT(report.reason, HasSubstr("expected"));
}

TEST(FastPaths, OfThisDeviceAreRefusedByGatesWithoutCost) {
  const auto device = open_device();
  if (!device->info().is_cpu) GTEST_SKIP() << "needs a CPU device";
  ops::settle_fast_paths(device->queue());
  EXPECT_THAT(device->fast_paths().reports, Not(IsEmpty()));
  for (const FastPathReport& report : device->fast_paths().reports) {
    EXPECT_FALSE(report.used) << report.path;
    EXPECT_TRUE(report.stage == "gate" || report.stage == "setting") << report.path << " " << report.stage;
    EXPECT_THAT(report.reason, Not(IsEmpty())) << report.path;
  }
}

}  // namespace
}  // namespace apiq
