// Help, version, configuration files, and command lines that cannot be carried out: status 2, one line,
// nothing written.
#include <map>

#include "e2e/fixture.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using Json = nlohmann::json;

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

TEST_P(EveryProgram, DescribesItsOptionsAsTheHelpDoes) {
  const Outcome outcome = run(GetParam(), {"--describe"});
  EXPECT_EQ(outcome.status, 0);
  const Json described = Json::parse(outcome.out);
  EXPECT_EQ(described["program"], GetParam());
  const std::string help = run(GetParam(), {"--help"}).out;
  std::map<std::string, Json> options;
  for (const Json& option : described["options"]) {
    options[option["name"]] = option;
    const std::string name = option["name"], sign = option["positional"] ? "" : "--";
    EXPECT_THAT(help, HasSubstr("\n  " + sign + name)) << name;
    EXPECT_THAT(help, HasSubstr("\n" + std::string(option["group"]) + "\n")) << name;
    for (const char* key : {"type", "placeholder", "help", "default", "required", "list", "choices"})
      EXPECT_TRUE(option.contains(key)) << name << " " << key;
  }
  EXPECT_EQ(options.size(), described["options"].size()) << "a name twice";
  EXPECT_EQ(options["seed"]["type"], "integer");
  EXPECT_EQ(options["seed"]["default"], "0");
  EXPECT_EQ(options["quiet"]["type"], "switch");
  EXPECT_EQ(options["device-memory"]["type"], "size");
  EXPECT_EQ(options["compute"]["choices"], (Json{"auto", "f32", "bf16", "f16"}));
}

TEST_P(EveryProgram, FailsWhereItsTextCannotBeWritten) {
  RunOptions options;
  options.standard_output = "/dev/full";
  for (const char* word : {"--help", "--version", "--describe"}) {
    const Outcome outcome = run(GetParam(), {word}, options);
    EXPECT_EQ(outcome.status, 1) << word;
    EXPECT_EQ(outcome.err, std::string(GetParam()) + ": error: standard output cannot be written\n") << word;
  }
}

TEST_P(EveryProgram, RefusesAnOutputThatCannotBeWrittenBeforeAnyWork) {
  const std::map<std::string, std::vector<std::string>> commands = {
      {"apiq-devices", {}},
      {"apiq-quantize", {"--model", "/no/model", "--output", "x.h5"}},
      {"apiq-eval", {"--model", "/no/model", "--text", "/no/text"}},
      {"apiq-generate", {"--model", "/no/model", "--prompt", "a"}},
      {"apiq-inspect", {"/no/model"}},
      {"apiq-batch", {"/no/manifest.json"}},
      {"apiq-tune", {"--list"}}};
  const Folder folder;
  for (const std::string& path :
       {std::string("/no/such/folder/x.json"), std::string("/proc/x.json"), folder.path().string()}) {
    std::vector<std::string> command = commands.at(GetParam());
    command.insert(command.end(), {"--json", path});
    expect_failure(run(GetParam(), command), 1,
                   {path, path == folder.path().string() ? "is a directory" : "cannot be written"});
  }
}

TEST(Usage, DescriptionSaysWhichMethodsAnOptionBelongsTo) {
  std::map<std::string, Json> options;
  const Json description = Json::parse(run("apiq-quantize", {"--describe"}).out);
  for (const Json& option : description["options"]) options[option["name"]] = option;
  EXPECT_EQ(options["bits"]["choices"], (Json{"2", "3", "4", "8"}));
  EXPECT_EQ(options["bits"]["methods"], Json::array());
  EXPECT_EQ(options["rank"]["methods"], (Json{"apiq-bw", "apiq-lw"}));
  EXPECT_EQ(options["gram"]["methods"], Json{"apiq-lw"});
  EXPECT_EQ(options["method"]["choices"], (Json{"apiq-bw", "apiq-lw", "rtn"}));
  EXPECT_EQ(options["calibration"]["list"], true);
  EXPECT_EQ(options["calibration"]["default"], nullptr);
  EXPECT_EQ(options["epochs"]["default"], "the recipe's");
  EXPECT_EQ(options["group-size"]["placeholder"], "N|row");
  EXPECT_EQ(options["model"]["required"], true);
}

TEST(Usage, OptionsThatTheMethodDoesNotUseAreNamed) {
  const Folder folder;
  const Outcome rounded =
      run("apiq-quantize",
          {"--quiet", "--model", kModel.string(), "--output", (folder / "out.h5").string(), "--method", "rtn",
           "--rank", "8", "--epochs", "2", "--override", "down_proj=bits:4,rank:2", "--samples", "3"});
  EXPECT_EQ(rounded.status, 0);
  EXPECT_THAT(
      lines(rounded.err),
      ::testing::ElementsAre(
          ::testing::AllOf(HasSubstr("warning"), HasSubstr("--rank 8"), HasSubstr("--epochs 2"),
                           HasSubstr("down_proj=bits:4,rank:2"), HasSubstr("method rtn")),
          ::testing::AllOf(HasSubstr("warning"), HasSubstr("--samples"), HasSubstr("--calibration"))));
  const Outcome plain =
      run("apiq-quantize", {"--quiet", "--model", kModel.string(), "--output", (folder / "out.h5").string(),
                            "--method", "rtn", "--rank", "0"});
  EXPECT_EQ(plain.err, "") << "rank 0 is what rtn does";
  expect_failure(
      run("apiq-quantize", tiny_quantize(kModel, folder / "no.h5", {"--gram", "--method", "apiq-bw"})), 2,
      {"--gram", "apiq-bw", "apiq-lw"});
  expect_failure(
      run("apiq-quantize", tiny_quantize(kModel, folder / "no.h5", {"--aug-loss", "--method", "rtn"})), 2,
      {"--aug-loss", "rtn", "apiq-bw"});
  expect_failure(
      run("apiq-quantize",
          tiny_quantize(kModel, folder / "no.h5", {"--modules", "q_proj", "--override", "down_proj=bits:4"})),
      2, {"--override", "down_proj", "--modules"});
}

TEST(Usage, EightBitsAreForTheWholeModelAndForSingleLinears) {
  const Folder folder;
  const auto rounded = [&](std::vector<std::string> extra) {
    std::vector<std::string> command = {
        "--quiet",  "--model", kModel.string(), "--output", (folder / "out.h5").string(),
        "--method", "rtn",     "--json",        "-"};
    command.insert(command.end(), extra.begin(), extra.end());
    return json_of(run("apiq-quantize", command));
  };
  EXPECT_EQ(rounded({"--bits", "8"})["bits"], 8);
  EXPECT_EQ(rounded({"--bits", "8"})["bits_per_weight"],
            rounded({"--override", "*=bits:8"})["bits_per_weight"]);
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
  const std::vector<WrongUsage> cases = {{{"--bits", "5"}, {"--bits", "2, 3, 4 or 8", "5"}},
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
  const Folder folder;
  expect_failure(run("apiq-quantize", {"--model", kModel.string(), "--output", (folder / "x.h5").string()}),
                 2, {"--calibration"});
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
