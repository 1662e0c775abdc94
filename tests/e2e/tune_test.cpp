// apiq-tune as a user runs it: a file that other programs read at once, an interruption that keeps its state,
// and refusals.
#include "e2e/fixture.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Tune, WritesAFileForTheDeviceThatTheNextProgramReads) {
  const Folder folder;
  RunOptions options;
  options.environment["APIQ_TUNING_DIR"] = folder.path().string();
  const auto json =
      json_of(run("apiq-tune", {"--time", "5s", "--kernels", "loss", "--quiet", "--json", "-"}, options));
  EXPECT_EQ(json["program"], "apiq-tune");
  ASSERT_EQ(json["kernels"].size(), 1u);
  EXPECT_EQ(json["kernels"][0]["kernel"], "loss");
  const fs::path output = json["output"].get<std::string>();
  EXPECT_EQ(output.parent_path(), folder.path());
  const auto file = nlohmann::json::parse(read_bytes(output));
  EXPECT_EQ(file["device"], json["device"]["name"]);
  EXPECT_TRUE(file["tunables"].is_object());
  EXPECT_TRUE(file["choices"].is_object());

  // The next opening takes its values from there: one of our own shows it.
  write_bytes(output, R"({"tunables": {"loss": {"VW": 2}}, "choices": {}})");
  const auto list = json_of(run("apiq-tune", {"--list", "--quiet", "--json", "-"}, options));
  for (const auto& kernel : list["kernels"]) {
    if (kernel["kernel"] == "loss") {
      EXPECT_EQ(kernel["values"]["VW"], 2);
    }
  }
  write_bytes(output, "{");
  expect_failure(run("apiq-tune", {"--list", "--quiet"}, options), 1, {output.string(), "not a tuning file"});
}

TEST(Tune, MakesTheFolderOfItsFileBeforeTheFirstTrial) {
  const Folder folder;
  RunOptions options;
  options.environment["APIQ_TUNING_DIR"] = (folder / "share" / "tuning").string();
  const auto json =
      json_of(run("apiq-tune", {"--time", "3s", "--kernels", "loss", "--quiet", "--json", "-"}, options));
  EXPECT_EQ(fs::path(json["output"].get<std::string>()).parent_path(), folder / "share" / "tuning");
  write_bytes(folder / "file", "");
  expect_failure(
      run("apiq-tune", {"--kernels", "loss", "--quiet", "--output", (folder / "file/x.json").string()}), 1,
      {"file", "folder cannot be made", "--output"});
}

TEST(Tune, InterruptedItKeepsItsStateAndSaysSo) {
  const Folder folder;
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string output = (folder / ("out" + std::to_string(signal) + ".json")).string();
    RunOptions options;
    options.interrupt_at = "device: ";
    options.signal = signal;
    const Outcome outcome =
        run("apiq-tune",
            {"--kernels", "loss", "--output", output, "--json", (folder / "result.json").string()}, options);
    EXPECT_EQ(outcome.status, 130) << outcome.err;
    EXPECT_LT(outcome.seconds_after_interrupt, 10);
    EXPECT_THAT(outcome.err, HasSubstr("the same command goes on"));
    EXPECT_TRUE(fs::exists(output + ".state"));
    EXPECT_FALSE(fs::exists(output));
    EXPECT_FALSE(fs::exists(folder / "result.json"));
  }
}

TEST(Tune, FilesOfAnotherVersionAreRefusedInALine) {
  const Folder folder;
  const std::string output = (folder / "out.json").string(), state = output + ".state";
  write_bytes(state, R"({"version": 2, "device": "x", "driver": "y", "kernels": {}})");
  expect_failure(run("apiq-tune", {"--quiet", "--kernels", "loss", "--output", output}), 1,
                 {state, "version 1, found 2", "--restart"});
  EXPECT_THAT(read_bytes(state), HasSubstr("\"version\": 2")) << "and left as they are";
  fs::remove(state);
  write_bytes(output, R"({"version": 7, "tunables": {}, "choices": {}})");
  expect_failure(run("apiq-tune", {"--quiet", "--kernels", "loss", "--output", output}), 1,
                 {output, "version 1, found 7", "run apiq-tune again"});
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("out.json"));
}

TEST(Tune, EntriesThatMeanNothingAreSaidByEveryProgram) {
  const Folder folder;
  RunOptions options;
  options.environment["APIQ_TUNING_DIR"] = folder.path().string();
  const auto json = json_of(run("apiq-tune", {"--list", "--quiet", "--json", "-"}, options));
  const auto name = json["device"]["name"].get<std::string>();
  std::string file;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c))) file += static_cast<char>(std::tolower(c));
    else if (!file.empty() && file.back() != '-') file += '-';
  }
  write_bytes(folder / (file + ".json"), R"({"tunables": {"loss": {"WV": 2}}, "choices": {}})");
  const Outcome outcome = run("apiq-tune", {"--list"}, options);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err,
              HasSubstr("warning: " + (folder / (file + ".json")).string() + ": loss.WV: not known"));
}

TEST(Tune, RefusesWhatItCannotDo) {
  const Folder folder;
  const std::string output = (folder / "out.json").string();
  expect_failure(run("apiq-tune", {"--quiet", "--time", "10 parsecs", "--output", output}), 2,
                 {"--time", "10 parsecs"});
  expect_failure(run("apiq-tune", {"--quiet", "--time", "0", "--output", output}), 2, {"--time", "above 0"});
  expect_failure(run("apiq-tune", {"--quiet", "--kernels", "rmsnorm,", "--output", output}), 2,
                 {"--kernels"});
  expect_failure(run("apiq-tune", {"--quiet", "--kernels", "magic", "--output", output}), 2,
                 {"magic", "rmsnorm"});
  expect_failure(run("apiq-tune", {"--quiet", "--kernels", "pack", "--output", output}), 2,
                 {"pack", "once per linear"});
  EXPECT_THAT(folder.names(), IsEmpty());
}

}  // namespace
}  // namespace apiq::testing
