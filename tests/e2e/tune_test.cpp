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

TEST(Tune, InterruptedItKeepsItsStateAndSaysSo) {
  const Folder folder;
  RunOptions options;
  options.interrupt_at = "device: ";
  const Outcome outcome =
      run("apiq-tune", {"--kernels", "loss", "--output", (folder / "out.json").string()}, options);
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("the same command goes on"));
  EXPECT_TRUE(fs::exists(folder / "out.json.state"));
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
