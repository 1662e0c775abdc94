// Help, version, configuration files, and command lines that cannot be carried out: status 2, one line,
// nothing written.
#include "e2e/fixture.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

const char* const kPrograms[] = {"apiq-devices", "apiq-quantize", "apiq-eval", "apiq-generate",
                                 "apiq-inspect", "apiq-batch",    "apiq-tune"};

class EveryProgram : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Usage, EveryProgram, ::testing::ValuesIn(kPrograms), [](const auto& test) {
  std::string name = test.param;
  name[4] = '_';
  return name;
});

TEST_P(EveryProgram, HelpListsTheCommonOptionsWithDefaultsOneScreenAGroup) {
  for (const char* word : {"--help", "-h"}) {
    const Outcome outcome = run(GetParam(), {word});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.err, IsEmpty());
    for (const char* option :
         {"--device SEL", "--device-memory SIZE", "--host-memory SIZE", "--seed N", "--json FILE",
          "--config FILE", "--quiet", "--verbose", "--version", "[auto]", "[0]"}) {
      EXPECT_THAT(outcome.out, HasSubstr(option));
    }
    std::size_t in_group = 0;
    for (const std::string& line : lines(outcome.out)) {
      EXPECT_LE(line.size(), 120u) << line;
      in_group = line.empty() ? 0 : in_group + 1;
      EXPECT_LE(in_group, 24u) << line;
    }
  }
}

TEST_P(EveryProgram, VersionNamesCommitOpenClAndHdf5) {
  const Outcome outcome = run(GetParam(), {"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(
      outcome.out,
      MatchesRegex(std::string(GetParam()) +
                   " [0-9]+\\.[0-9]+\\.[0-9]+ \\(commit [0-9a-z+]+\\)\nOpenCL.* [0-9.]+, HDF5 [0-9.]+\n"));
}

TEST_P(EveryProgram, RefusesWrongUsage) {
  expect_failure(run(GetParam(), {"--no-such-option"}), 2, {"--no-such-option"});
  expect_failure(run(GetParam(), {"--see", "1"}), 2, {"--see"});  // no abbreviations
  expect_failure(run(GetParam(), {"--seed"}), 2, {"--seed"});
  expect_failure(run(GetParam(), {"--seed", "-1"}), 2, {"--seed", "-1"});
  expect_failure(run(GetParam(), {"--seed", "1x"}), 2, {"--seed", "1x"});
  expect_failure(run(GetParam(), {"--seed", "1", "--seed", "2"}), 2, {"--seed", "twice"});
  expect_failure(run(GetParam(), {"--device-memory", "8GB"}), 2, {"--device-memory", "GiB", "8GB"});
  expect_failure(run(GetParam(), {"--config", "/no/such/file"}), 2, {"/no/such/file"});
}

TEST(Usage, ListsMethods) {
  const Outcome outcome = run("apiq-quantize", {"--list-methods"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("apiq-lw"));
  EXPECT_THAT(outcome.out, HasSubstr("rtn"));
}

struct WrongUsage {
  std::vector<std::string> extra;  // replaces or adds to a command that would work
  std::vector<std::string> texts;
};

TEST(Usage, QuantizeRefusesOptionValuesItDoesNotTake) {
  const std::vector<WrongUsage> cases = {{{"--bits", "5"}, {"--bits", "2, 3 or 4", "5"}},
                                         {{"--bits", "two"}, {"--bits", "two"}},
                                         {{"--group-size", "0"}, {"--group-size", "row"}},
                                         {{"--method", "magic"}, {"--method", "magic", "--list-methods"}},
                                         {{"--alpha", "nan"}, {"--alpha", "nan"}},
                                         {{"--batch-size", "0"}, {"--batch-size"}},
                                         {{"stray"}, {"stray"}}};
  for (const WrongUsage& c : cases) {
    const Folder folder;
    expect_failure(run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5", c.extra)), 2, c.texts);
    EXPECT_THAT(folder.names(), IsEmpty());
  }
}

TEST(Usage, NamesWhatIsMissing) {
  expect_failure(run("apiq-quantize", {}), 2, {"--model"});
  expect_failure(run("apiq-quantize", {"--model", kModel.string()}), 2, {"--output"});
  expect_failure(run("apiq-quantize", {"--model", kModel.string(), "--output", "/nowhere/x.h5"}), 2,
                 {"--calibration"});
  expect_failure(run("apiq-eval", {"--model", kModel.string()}), 2, {"--text"});
  expect_failure(run("apiq-generate", {"--model", kModel.string()}), 2, {"--prompt"});
  expect_failure(run("apiq-inspect", {}), 2, {"FILE"});
  expect_failure(run("apiq-inspect", {"a", "b"}), 2, {"'b'"});
}

TEST(Usage, ConfigurationFileFillsInAndTheCommandLineWins) {
  const Folder folder;
  write_bytes(folder / "good.cfg", "# a comment\nseed = 7\nverify = true\n");
  const std::string config = (folder / "good.cfg").string();
  EXPECT_EQ(json_of(run("apiq-inspect", {kModel.string(), "--config", config, "--json", "-"}))["seed"], 7);
  EXPECT_EQ(json_of(run("apiq-inspect",
                        {kModel.string(), "--config", config, "--seed", "8", "--json", "-"}))["seed"],
            8);
  write_bytes(folder / "bad.cfg", "sead = 7\n");
  expect_failure(run("apiq-inspect", {kModel.string(), "--config", (folder / "bad.cfg").string()}), 2,
                 {"bad.cfg", "sead"});
  write_bytes(folder / "bad.cfg", "verify = maybe\n");
  expect_failure(run("apiq-inspect", {kModel.string(), "--config", (folder / "bad.cfg").string()}), 2,
                 {"bad.cfg", "verify", "maybe"});
}

}  // namespace
}  // namespace apiq::testing
