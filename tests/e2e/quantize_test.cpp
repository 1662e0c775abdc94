// apiq-quantize from command line to file: results, determinism, interruption, and outputs that cannot be
// written.
#include <map>

#include "e2e/fixture.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Quantize, ReportsEveryKeyOfTheContract) {
  const Folder folder;
  const auto json = json_of(run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5", {"--json", "-"})));
  for (const char* key : {"program",
                          "version",
                          "commit",
                          "command",
                          "device",
                          "seed",
                          "seconds",
                          "peak_device_bytes",
                          "peak_host_bytes",
                          "method",
                          "bits",
                          "group_size",
                          "symmetric",
                          "rank",
                          "alpha",
                          "samples",
                          "sequence_length",
                          "epochs",
                          "bits_per_weight",
                          "adapter_bits_per_weight",
                          "output",
                          "output_bytes",
                          "skipped_steps",
                          "blocks"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["bits"], 2);
  EXPECT_EQ(json["rank"], 4);
  EXPECT_EQ(json["output_bytes"], fs::file_size(folder / "out.h5"));
  // 2 bits, and per group of 64 a binary16 scale and a 2-bit zero point: 2 + 18 / 64. All shapes are
  // multiples of 32, so nothing is padding.
  EXPECT_DOUBLE_EQ(json["bits_per_weight"], 2.0 + 18.0 / 64.0);
  ASSERT_EQ(json["blocks"].size(), 6u);
  for (const auto& block : json["blocks"]) {
    for (const char* key : {"index", "loss_first", "loss_last", "relative_error", "seconds"})
      EXPECT_TRUE(block.contains(key)) << key;
    EXPECT_GT(block["relative_error"].get<double>(), 0.0);
    EXPECT_LT(block["relative_error"].get<double>(), 1.0);
  }
  EXPECT_THAT(folder.names(), ::testing::UnorderedElementsAre("out.h5", "out.h5.run.json"));
}

TEST(Quantize, TakesEveryBitWidthAndGridRowGroupsAndNoLora) {
  const Folder folder;
  for (const std::vector<std::string>& extra : {std::vector<std::string>{"--bits", "3", "--symmetric"},
                                                {"--bits", "4", "--group-size", "row"},
                                                {"--method", "rtn"}}) {
    const Outcome outcome = run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5", extra));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("bits per weight"));
    EXPECT_EQ(run("apiq-inspect", {(folder / "out.h5").string(), "--verify"}).status, 0);
  }
}

TEST(Quantize, SameCommandTwiceGivesTheSameBytes) {
  const Folder first, second;
  for (const Folder* folder : {&first, &second}) {
    RunOptions options;
    options.folder = folder->path();  // the command is recorded in the file, so it has to be the same one
    ASSERT_EQ(run("apiq-quantize", tiny_quantize(kModel, "out.h5"), options).status, 0);
  }
  EXPECT_TRUE(read_bytes(first / "out.h5") == read_bytes(second / "out.h5"));
}

TEST(Quantize, AnotherSeedGivesAnotherFile) {
  const Folder folder;
  const std::string other = (folder / "other.h5").string();
  ASSERT_EQ(run("apiq-quantize", tiny_quantize(kModel, other, {"--seed", "1"})).status, 0);
  const Outcome outcome = run("apiq-inspect", {tiny_checkpoint().string(), "--compare", other});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("lora_A"));
}

TEST(Quantize, SmallAndLargeDeviceMemoryGiveTheSamePayload) {
  const Folder folder;
  std::map<std::string, std::uint64_t> peak;
  for (const char* budget : {"12MiB", "2GiB"}) {
    const auto base =
        with(with(tiny_quantize(kModel, folder / budget), "--samples", "8"), "--sequence-length", "64");
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), {"--recipe", "paper", "--device-memory", budget, "--json", "-"});
    peak[budget] = json_of(run("apiq-quantize", arguments))["peak_device_bytes"];
  }
  EXPECT_LE(peak["12MiB"], std::uint64_t{12} << 20);
  EXPECT_LT(peak["12MiB"],
            peak["2GiB"]);  // otherwise the small budget changed nothing and the comparison says nothing
  const auto json = json_of(run(
      "apiq-inspect", {(folder / "12MiB").string(), "--compare", (folder / "2GiB").string(), "--json", "-"}));
  EXPECT_THAT(json["differences"], IsEmpty());
}

/// Ctrl-C when `moment` appears on standard error of a run that takes a few seconds.
Outcome interrupted_run(const fs::path& output, const std::string& moment) {
  auto arguments = with(with(tiny_quantize(kModel, output), "--samples", "8"), "--epochs", "8");
  std::erase(arguments, "--quiet");
  RunOptions options;
  options.interrupt_at = moment;
  const Outcome outcome = run("apiq-quantize", arguments, options);
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_FALSE(fs::exists(output));
  return outcome;
}

TEST(Quantize, InterruptBeforeABlockIsFinishedEndsWith130AndLeavesNothing) {
  const Folder folder;
  const Outcome outcome = interrupted_run(folder / "out.h5", "device: ");
  EXPECT_EQ(lines(outcome.err).back(),
            "apiq-quantize: interrupted; nothing was finished, so nothing was kept");
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(Quantize, InterruptKeepsFinishedBlocksAndTheSameCommandGoesOn) {
  const Folder folder;
  const fs::path output = folder / "out.h5";
  const Outcome outcome = interrupted_run(output, "block 3/6");
  const std::string last = lines(outcome.err).back();
  EXPECT_THAT(last, ::testing::StartsWith("apiq-quantize: interrupted; "));
  EXPECT_THAT(last, HasSubstr(" of 6 blocks are finished and kept in " + output.string() +
                              ".work; the same command goes on"));
  EXPECT_EQ(folder.names(), std::vector<std::string>{"out.h5.work"});
  auto arguments = with(with(tiny_quantize(kModel, output), "--samples", "8"), "--epochs", "8");
  std::erase(arguments, "--quiet");
  const Outcome rest = run("apiq-quantize", arguments);
  EXPECT_EQ(rest.status, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr("continuing: "));
  EXPECT_THAT(folder.names(), ::testing::UnorderedElementsAre("out.h5", "out.h5.run.json"));
}

TEST(Quantize, OutputThatCannotBeWrittenIsRefusedBeforeTheStart) {
  const Folder folder;
  fs::create_directory(folder / "taken.h5");
  write_bytes(folder / "file", "x");
  for (const char* name : {"no-such-folder/out.h5", "taken.h5", "file/out.h5"}) {
    for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--dry-run"}})
      expect_failure(run("apiq-quantize", tiny_quantize(kModel, folder / name, more)), 1,
                     {(folder / name).string()});
  }
  EXPECT_EQ(folder.names().size(), 2u);
  EXPECT_TRUE(fs::is_empty(folder / "taken.h5"));
}

TEST(Quantize, ARunThatNeedsMoreDiskThanThereIsIsRefusedBeforeTheStart) {
  const Folder folder;
  // Two streams of 4 million windows of 512 tokens, 256 features each: terabytes.
  const auto arguments = with(with(tiny_quantize(kModel, folder / "out.h5"), "--samples", "4000000"),
                              "--sequence-length", "512");
  for (const char* extra : {"--restart", "--dry-run"}) {
    auto all = arguments;
    all.push_back(extra);
    expect_failure(run("apiq-quantize", all), 1,
                   {folder.path().string() + ": the run needs up to ", " are free; "});
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(Quantize, FullDiskLosesNothing) {
  tiny_checkpoint();  // compiles every kernel, so that the limit below meets the output and not a kernel
                      // cache
  const Folder folder, undisturbed;
  RunOptions options;
  options.folder = undisturbed.path();  // the command is recorded in the file, so it has to be the same one
  ASSERT_EQ(run("apiq-quantize", tiny_quantize(kModel, "out.h5"), options).status, 0);
  options.folder = folder.path();
  options.file_size_limit = std::uint64_t{1} << 20;  // the blocks fit; the embedding alone is 2 MiB
  expect_failure(run("apiq-quantize", tiny_quantize(kModel, "out.h5"), options), 1, {"out.h5"});
  EXPECT_EQ(folder.names(), std::vector<std::string>{"out.h5.work"});
  options.file_size_limit = 0;
  ASSERT_EQ(run("apiq-quantize", tiny_quantize(kModel, "out.h5"), options).status, 0);
  EXPECT_TRUE(read_bytes(folder / "out.h5") == read_bytes(undisturbed / "out.h5"));
  EXPECT_THAT(folder.names(), ::testing::UnorderedElementsAre("out.h5", "out.h5.run.json"));
}

TEST(Quantize, AFailedRunKeepsTheOldFile) {
  const Folder folder;
  write_bytes(folder / "out.h5", "an older result");
  RunOptions options;
  options.file_size_limit = std::uint64_t{1} << 20;
  EXPECT_EQ(run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5"), options).status, 1);
  EXPECT_EQ(read_bytes(folder / "out.h5"), "an older result");
}

}  // namespace
}  // namespace apiq::testing
