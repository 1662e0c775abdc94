// What the programs do about devices: none there, one that is not there, one whose compiler refuses, a budget
// too small.
#include "e2e/fixture.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Devices, ListsWhatIsThere) {
  const auto json = json_of(run("apiq-devices", {"--json", "-"}));
  EXPECT_EQ(json["program"], "apiq-devices");
  ASSERT_GE(json["devices"].size(), 1u);
  const auto& device = json["devices"][0];
  EXPECT_EQ(device["index"], "0:0");
  EXPECT_GT(device["default_budget_bytes"], 0);
  EXPECT_THAT(run("apiq-devices", {}).out, HasSubstr(device["name"].get<std::string>()));
  ASSERT_FALSE(device["fast_paths"].empty());
  for (const auto& path : device["fast_paths"])
    EXPECT_TRUE(path["used"].get<bool>() || !path["reason"].get<std::string>().empty())
        << "a path that is not used says why: " << path;
}

TEST(Devices, WithoutOpenClEveryUserOfADeviceFailsAndInspectWorks) {
  const Folder folder;  // no .icd file in it
  RunOptions options;
  options.environment["OCL_ICD_VENDORS"] = folder.path().string() + "/";
  expect_failure(run("apiq-devices", {}, options), 1, {"no OpenCL", "install"});
  expect_failure(run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5"), options), 1, {"no OpenCL"});
  const std::string model = kModel.string();
  expect_failure(
      run("apiq-eval", {"--quiet", "--model", model, "--text", model + "/validation.txt"}, options), 1,
      {"no OpenCL"});
  expect_failure(run("apiq-generate", {"--quiet", "--model", model, "--prompt", "x"}, options), 1,
                 {"no OpenCL"});
  EXPECT_THAT(folder.names(), IsEmpty());
  EXPECT_EQ(run("apiq-inspect", {model}, options).status, 0);
}

TEST(Devices, SelectorThatMatchesNothingNamesWhatIsThere) {
  const Folder folder;
  expect_failure(
      run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5", {"--device", "no such device"})), 1,
      {"no such device", "0:0"});
  RunOptions options;
  options.environment["APIQ_DEVICE"] = "from the environment";
  expect_failure(run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5"), options), 1,
                 {"from the environment"});
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(Devices, RefusedBuildNamesKernelAndKeepsTheLogForVerbose) {
  const Folder folder;
  RunOptions options;
  options.environment["APIQ_BUILD_OPTIONS"] = "-no-such-option";
  const auto arguments = tiny_quantize(kModel, folder / "out.h5");
  const Outcome quiet = run("apiq-quantize", arguments, options);
  EXPECT_EQ(quiet.status, 1);
  // The driver itself may write to standard error; ours is the one line with the program's name.
  std::vector<std::string> ours;
  for (const std::string& line : lines(quiet.err)) {
    if (line.starts_with("apiq-quantize: ")) ours.push_back(line);
  }
  ASSERT_EQ(ours.size(), 1u) << quiet.err;
  EXPECT_THAT(ours[0], HasSubstr("-no-such-option"));
  EXPECT_THAT(ours[0], HasSubstr("--verbose"));
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(Devices, SelfTestPasses) {
  RunOptions options;
  options.seconds = 900;  // with empty caches it compiles every kernel
  const auto json = json_of(run("apiq-devices", {"--self-test", "--json", "-"}, options));
  EXPECT_GT(json["self_test"].size(), 200u);
  for (const auto& row : json["self_test"]) EXPECT_TRUE(row["passed"]) << row;
}

TEST(Devices, SelfTestReportsADeviceThatRefusesToBuild) {
  RunOptions options;
  options.environment["APIQ_BUILD_OPTIONS"] = "-no-such-option";
  const Outcome outcome = run("apiq-devices", {"--self-test"}, options);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("FAIL  matmul_nt"));
  EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr("pass ")));
  EXPECT_THAT(outcome.err, HasSubstr("self-tests failed"));
}

TEST(Devices, BenchmarkMeasuresEverything) {
  const auto json = json_of(run("apiq-devices", {"--benchmark", "--json", "-"}));
  for (const auto& [key, value] : json["benchmark"].items()) EXPECT_GT(value.get<double>(), 0.0) << key;
  EXPECT_EQ(json["benchmark"].size(), 6u);
}

/// The budget that a refusal names: "... --device-memory 7MiB ...".
std::string named_budget(const std::string& text, const std::string& option) {
  const auto begin = text.find(option + " ");
  if (begin == std::string::npos) return {};
  const auto value = begin + option.size() + 1;
  return text.substr(value, text.find(' ', value) - value);
}

TEST(Devices, BudgetTooSmallIsRefusedBeforeTheStartAndTheOneItNamesWorks) {
  const Folder folder;
  const auto arguments = tiny_quantize(kModel, folder / "out.h5", {"--device-memory", "256KiB"});
  const Outcome outcome = run("apiq-quantize", arguments);
  expect_failure(outcome, 1, {"found 256.00 KiB", "at least --device-memory "});
  EXPECT_THAT(folder.names(), IsEmpty());
  auto dry = arguments;
  dry.push_back("--dry-run");
  expect_failure(run("apiq-quantize", dry), 1, {"at least --device-memory "});
  const std::string enough = named_budget(outcome.err, "--device-memory");
  const Outcome fits = run("apiq-quantize", with(arguments, "--device-memory", enough));
  EXPECT_EQ(fits.status, 0) << enough << ": " << fits.err;
}

TEST(Devices, HostBudgetTooSmallIsRefusedBeforeTheStart) {
  const Folder folder;
  expect_failure(run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5", {"--host-memory", "1MiB"})), 1,
                 {"found 1.00 MiB", "--host-memory "});
  EXPECT_THAT(folder.names(), IsEmpty());
}

}  // namespace
}  // namespace apiq::testing
