// Going on after an interruption when the work directory is not as it was left, and refusing to when it
// belongs to something else. Every run that goes on must end with the bytes of a run that nobody disturbed.
#include <csignal>
#include <thread>

#include "e2e/fixture.hpp"
#include "runtime/tuning.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Names relative to the folder the run works in: the command is recorded in the checkpoint, so it has to be
/// the same text everywhere.
std::vector<std::string> command(const std::vector<std::string>& more = {}) {
  auto out = with(with(tiny_quantize(kModel, "out.h5", more), "--samples", "4"), "--epochs", "2");
  std::erase(out, "--quiet");
  return out;
}

RunOptions in(const fs::path& folder) {
  RunOptions options;
  options.folder = folder;
  return options;
}

/// What an undisturbed run writes, and the work directory of a run that finished all blocks but could not
/// write the checkpoint.
struct Reference {
  Folder whole, stopped;
  std::string bytes;
  Reference() {
    if (run("apiq-quantize", command(), in(whole.path())).status != 0)
      throw std::runtime_error("the undisturbed run failed");
    bytes = read_bytes(whole / "out.h5");
    RunOptions full = in(stopped.path());
    full.file_size_limit = std::uint64_t{1} << 20;  // the embedding alone is 2 MiB
    if (run("apiq-quantize", command(), full).status != 1)
      throw std::runtime_error("the full disk was not noticed");
  }
};

class Resume : public ::testing::Test {
 protected:
  Resume() {
    const fs::path work = reference().stopped / "out.h5.work";
    fs::copy(work, work_, fs::copy_options::recursive);
    fs::remove(part(5));  // as if it had been killed while the last block was solved: its part is gone, the
                          // activations before it are there
  }

  static const Reference& reference() {
    static const Reference out;
    return out;
  }

  fs::path part(std::uint32_t block) const { return work_ / ("block-0000" + std::to_string(block) + ".h5"); }
  fs::path activations(const std::string& stream) const {
    for (const auto& entry : fs::directory_iterator(work_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("activations-") && name.ends_with(stream + ".f32")) return entry.path();
    }
    throw std::runtime_error("no activations of " + stream);
  }
  static void damage(const fs::path& path) {
    std::string bytes = read_bytes(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x40);
    write_bytes(path, bytes);
  }

  Outcome go_on(const std::vector<std::string>& more = {}) const {
    return run("apiq-quantize", command(more), in(folder_.path()));
  }
  void expect_the_same_end(const std::vector<std::string>& messages) const {
    const Outcome outcome = go_on();
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    for (const std::string& message : messages) EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_TRUE(read_bytes(folder_ / "out.h5") == reference().bytes);
    EXPECT_THAT(folder_.names(), ::testing::UnorderedElementsAre("out.h5", "out.h5.run.json"));
  }

  Folder folder_;
  fs::path work_ = folder_ / "out.h5.work";
};

TEST_F(Resume, GoesOnAfterTheLastFinishedBlock) {
  expect_the_same_end({"continuing: 5 of 6 blocks are in out.h5.work"});
}

TEST_F(Resume, TheNewestPartMissing) {
  fs::remove(part(4));
  expect_the_same_end({"block-00004.h5 is missing; block 4 is done again",
                       "block-00005.h5 is missing; block 5 is done again"});
}

TEST_F(Resume, TheNewestPartDamaged) {
  damage(part(4));
  expect_the_same_end({"block-00004.h5 is damaged; block 4 is done again"});
}

TEST_F(Resume, APartInTheMiddleDamaged) {
  damage(part(1));
  expect_the_same_end({"block-00001.h5 is damaged; block 1 is done again"});
}

TEST_F(Resume, TheFirstPartMissing) {
  fs::remove(part(0));
  expect_the_same_end({"block-00000.h5 is missing; block 0 is done again"});
}

TEST_F(Resume, ActivationsDamaged) {
  damage(activations("full"));
  expect_the_same_end({"is damaged; the activations after block"});
}

TEST_F(Resume, ActivationsMissing) {
  fs::remove(activations("quantized"));
  expect_the_same_end({"is missing; the activations after block"});
}

TEST_F(Resume, JournalDamaged) {
  damage(work_ / "journal.json");
  expect_the_same_end({"journal.json", "starting over"});
}

TEST_F(Resume, JournalCutShort) {
  const std::string text = read_bytes(work_ / "journal.json");
  write_bytes(work_ / "journal.json", text.substr(0, text.size() / 3));
  expect_the_same_end({"journal.json", "starting over"});
}

TEST_F(Resume, JournalGone) {
  fs::remove(work_ / "journal.json");
  expect_the_same_end({});
}

/// What a tuner, an update or another cache may change between two runs of the same command: blocks would
/// come from different kernels.
TEST_F(Resume, AnotherTuningIsRefusedWithTheWayBack) {
  const Folder data;
  fs::create_directories(data / "apiq/tuning");
  const auto devices = json_of(run("apiq-devices", {"--json", "-"}));
  const std::string name = runtime::tuning_file_name(devices["devices"][0]["name"].get<std::string>());
  write_bytes(data / ("apiq/tuning/" + name),
              R"({"tunables": {"gemm_block": {"MIN_ROWS": 3}}, "choices": {}})");
  RunOptions tuned = in(folder_.path());
  tuned.environment["XDG_DATA_HOME"] = data.path().string();
  tuned.environment["APIQ_DEVICE"] = "0:0";
  const Outcome outcome = run("apiq-quantize", command(), tuned);
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  for (const char* text : {"belongs to another run", "device.tuning", "APIQ_TUNING_DIR", "--restart"})
    EXPECT_THAT(lines(outcome.err).back(), HasSubstr(text));
  expect_the_same_end({"continuing: 5 of 6 blocks"});
}

TEST_F(Resume, AnotherEngineIsRefusedWithTheWayBack) {
  RunOptions other = in(folder_.path());
  other.environment["APIQ_GEMM"] = "clblast";
  const Outcome outcome = run("apiq-quantize", command(), other);
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  for (const char* text : {"device.paths.f32.engine", "APIQ_GEMM", "--restart"})
    EXPECT_THAT(lines(outcome.err).back(), HasSubstr(text));
  expect_the_same_end({"continuing: 5 of 6 blocks"});
}

TEST_F(Resume, FilesOfAKilledWriterAreRemoved) {
  write_bytes(work_ / "block-00004.h5.tmp", "half a block");
  write_bytes(work_ / "activations-00004-full.f32.tmp", "half a stream");
  expect_the_same_end({});
}

TEST_F(Resume, ChangedOptionsAreRefusedWithTheDifferenceUnlessRestarted) {
  const Outcome outcome = go_on({"--bits", "3"});
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  for (const char* text : {"out.h5.work", "options.bits 2 there, 3 here", "--restart"})
    EXPECT_THAT(lines(outcome.err).back(), HasSubstr(text));
  EXPECT_TRUE(fs::exists(part(4)));  // and nothing of it was touched
  const Outcome restarted = go_on({"--bits", "3", "--restart"});
  EXPECT_EQ(restarted.status, 0) << restarted.err;
  EXPECT_EQ(restarted.err.find("continuing"), std::string::npos);
  EXPECT_THAT(folder_.names(), ::testing::UnorderedElementsAre("out.h5", "out.h5.run.json"));
}

TEST_F(Resume, ChangedCalibrationTextIsRefused) {
  write_bytes(folder_ / "text.txt", read_bytes(kModel / "calibration.txt") + "More.");
  const Outcome outcome =
      run("apiq-quantize", with(command(), "--calibration", "text.txt"), in(folder_.path()));
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  EXPECT_THAT(lines(outcome.err).back(), HasSubstr("inputs.calibration/0/"));
}

TEST_F(Resume, OptionsThatDoNotChangeTheResultMayChange) {
  const Outcome outcome = go_on({"--device-memory", "24MiB"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("continuing: "));
}

TEST_F(Resume, AFolderOfSomebodyElseIsLeftAlone) {
  const Folder other;
  write_bytes(other / "notes.txt", "mine");
  const Outcome outcome = go_on({"--work-dir", other.path().string()});
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  EXPECT_THAT(lines(outcome.err).back(), HasSubstr("notes.txt"));
  EXPECT_EQ(other.names(), std::vector<std::string>{"notes.txt"});
}

TEST(TwoRuns, InOneWorkDirectoryTheSecondIsRefused) {
  const Folder folder;
  auto slow = with(with(tiny_quantize(kModel, "first.h5", {"--work-dir", "work"}), "--samples", "16"),
                   "--epochs", "20");
  std::erase(slow, "--quiet");
  Outcome first;
  std::thread running([&] {
    RunOptions options = in(folder.path());
    options.interrupt_at = "block 2/6";  // gives the second one time, then ends
    first = run("apiq-quantize", slow, options);
  });
  while (!fs::exists(folder / "work/journal.json")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const Outcome second =
      run("apiq-quantize", tiny_quantize(kModel, "second.h5", {"--work-dir", "work"}), in(folder.path()));
  running.join();
  expect_failure(second, 1, {"work: process ", " is working in this folder", "--work-dir"});
  EXPECT_EQ(first.status, 130) << first.err;
  EXPECT_FALSE(fs::exists(folder / "second.h5"));
}

}  // namespace
}  // namespace apiq::testing
