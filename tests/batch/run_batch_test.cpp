// Running a batch: isolation, skipping, redoing, locks and stopping, on fake programs whose every call is on
// record.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <atomic>
#include <chrono>

#include "apiq/batch.hpp"
#include "batch/fake_program.hpp"
#include "batch/process.hpp"
#include "support/errors.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using test::BatchFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Batch read(const BatchFolder& folder, const std::string& jobs, const std::string& more = "") {
  return read_batch(
      folder.write("m.json", R"({"models": ["tiny"], "output": "out", )" + more + R"("jobs": )" + jobs + "}"),
      folder.path());
}

std::vector<std::string> statuses(const BatchResult& result) {
  std::vector<std::string> out;
  for (const BatchRow& row : result.rows) out.push_back(status_name(row.status));
  return out;
}

const std::string kEval = R"("eval": {"text": "text.txt"}, )";
constexpr const char *done = "done", *kept = "kept", *failed = "failed";

TEST(RunBatch, RowsTellWhatTheResultsSay) {
  const BatchFolder folder;
  const BatchResult result = run_batch(read(folder, R"([{"bits": 2, "rank": 16}])", kEval));
  ASSERT_THAT(statuses(result), ElementsAre(done, done));
  const BatchRow& row = result.rows[1];
  EXPECT_EQ(row.job, "tiny-2bit");
  EXPECT_EQ(row.model, "tiny");
  EXPECT_EQ(row.method, "rtn");
  EXPECT_EQ(row.bits, 2u);
  EXPECT_EQ(row.group_size, "64");
  EXPECT_EQ(row.rank, 16u);
  EXPECT_EQ(row.seed, 3u);
  EXPECT_EQ(row.perplexity, 12.5);
  EXPECT_EQ(row.bits_per_weight, 2.5);
  EXPECT_EQ(row.adapter_bits_per_weight, 0.25);
  EXPECT_EQ(row.relative_error, 0.125) << "of the last block";
  EXPECT_EQ(row.quantize_seconds, 1.5);
  EXPECT_EQ(row.eval_seconds, 0.5);
  EXPECT_EQ(row.peak_device_bytes, 1000u) << "the larger of the two steps";
  EXPECT_EQ(row.peak_host_bytes, 700u) << "the larger of the two steps";
  EXPECT_EQ(result.failed, 0u);
  EXPECT_EQ(folder.calls()[1],
            "--model tiny --output out/tiny-2bit.h5 --bits 2 --rank 16 --json out/tiny-2bit.quantize.json")
      << "and no --device where the manifest names none";
}

TEST(RunBatch, FinishedJobsAreKeptWithTheirRows) {
  const BatchFolder folder;
  const Batch batch = read(folder, R"([{"bits": [2, 3]}])", kEval);
  const BatchResult first = run_batch(batch), again = run_batch(batch);
  EXPECT_EQ(folder.calls().size(), 5u) << "nothing ran the second time";
  EXPECT_THAT(statuses(again), ElementsAre(kept, kept, kept));
  EXPECT_EQ(again.rows[2].perplexity, 12.5);
  EXPECT_EQ(again.rows[2].bits, 3u);
}

TEST(RunBatch, WhatChangedIsDoneAgainAndSaid) {
  const BatchFolder folder;
  std::vector<std::string> said;
  Callbacks callbacks;
  callbacks.message = [&](const std::string& line) { said.push_back(line); };
  const std::string jobs =
      R"([{"bits": 2, "name": "one", "calibration": "text.txt"}, {"bits": 3, "name": "two"}])";
  const auto rerun = [&](const std::string& which) {
    said.clear();
    const std::size_t before = folder.calls().size();
    run_batch(read(folder, which, kEval), callbacks);
    return folder.calls().size() - before;
  };
  EXPECT_EQ(rerun(jobs), 5u);
  EXPECT_THAT(folder.calls()[1], Not(HasSubstr("--restart")));

  folder.write("text.txt", "Some other text.");  // of "one", and of every evaluation
  EXPECT_EQ(rerun(jobs), 4u);
  EXPECT_THAT(said, testing::Contains(AllOf(HasSubstr("one.quantize"), HasSubstr("inputs"))));
  EXPECT_THAT(folder.calls()[6], AllOf(HasSubstr("one.h5"), HasSubstr("--restart")))
      << "state of other settings must not be continued";

  EXPECT_EQ(rerun(R"([{"bits": 2, "name": "one", "calibration": "text.txt"}, {"bits": 4, "name": "two"}])"),
            2u)
      << "two, and its evaluation";
  EXPECT_THAT(said, testing::Contains(AllOf(HasSubstr("two.quantize"), HasSubstr("arguments"))));

  folder.program("apiq-quantize", test::kFakeQuantizeOptions, test::kFakeQuantize, "0.2.0");
  EXPECT_EQ(rerun(R"([{"bits": 2, "name": "one", "calibration": "text.txt"}])"), 2u);
  EXPECT_THAT(said, testing::Contains(AllOf(HasSubstr("one.quantize"), HasSubstr("program version"))));

  fs::remove(folder.path() / "out/one.h5");
  EXPECT_EQ(rerun(R"([{"bits": 2, "name": "one", "calibration": "text.txt"}])"), 2u)
      << "a product that is gone";
  folder.write("tiny/README.md", "not read by any program");
  folder.write("out/one.eval.state", "{\"key\": ");
  EXPECT_EQ(rerun(R"([{"bits": 2, "name": "one", "calibration": "text.txt"}])"), 1u)
      << "a damaged state: the step is done again";
  folder.write("tiny/model.safetensors", "other weights");
  EXPECT_EQ(rerun(R"([{"bits": 2, "name": "one", "calibration": "text.txt"}])"), 3u)
      << "all: the model itself changed";
}

TEST(RunBatch, AFailureStaysWithItsJob) {
  const BatchFolder folder;
  const Batch batch = read(folder, R"([{"bits": [5, 6, 7, 2]}])", kEval);
  const BatchResult result = run_batch(batch);
  EXPECT_THAT(statuses(result), ElementsAre(done, failed, failed, failed, done));
  EXPECT_EQ(result.failed, 3u);
  EXPECT_THAT(result.rows[1].error, AllOf(HasSubstr("5bit.quantize.json"), HasSubstr("not the result")));
  EXPECT_THAT(result.rows[2].error,
              AllOf(HasSubstr("signal 11"), HasSubstr("Segmentation"), HasSubstr("about to crash")));
  EXPECT_EQ(result.rows[3].error, "apiq-quantize: error: bits 7");
  EXPECT_EQ(folder.calls().size(), 6u)
      << "five first steps, none tried twice; the good one's evaluation; no evaluation without a model";
  EXPECT_THAT(folder.text("out/tiny-6bit.quantize.log"),
              AllOf(HasSubstr("working on out/tiny-6bit.h5"), HasSubstr("about to crash")));
  EXPECT_THAT(statuses(run_batch(batch)), ElementsAre(kept, failed, failed, failed, kept));
  EXPECT_EQ(folder.calls().size(), 9u) << "a new run tries the failed ones once more";
  EXPECT_THAT(folder.calls().back(), Not(HasSubstr("--restart")))
      << "the same settings may go on where they were";
}

TEST(RunBatch, AnInputThatVanishesFailsItsJobOnly) {
  const BatchFolder folder;
  folder.write("gone.txt", "text");
  const Batch batch = read(folder, R"([{"bits": 2, "calibration": "gone.txt"}, {"bits": 3}])");
  fs::remove(folder.path() / "gone.txt");
  const BatchResult result = run_batch(batch);
  EXPECT_THAT(statuses(result), ElementsAre(failed, done));
  EXPECT_THAT(result.rows[0].error, HasSubstr("gone.txt"));
}

TEST(RunBatch, DevicesWorkAtTheSameTime) {
  const BatchFolder folder;
  const BatchResult result =
      run_batch(read(folder, R"([{"bits": 9, "seed": [0, 1]}])", R"("devices": ["cpu", "gpu"], )"));
  EXPECT_THAT(statuses(result), ElementsAre(done, done)) << "each waits for the other";
  const std::string both = folder.calls()[0] + folder.calls()[1];
  EXPECT_THAT(both, AllOf(HasSubstr("--device cpu"), HasSubstr("--device gpu")));
}

TEST(RunBatch, StoppingEndsTheRunningStepAndStartsNoOther) {
  const BatchFolder folder;
  std::atomic<bool> stop = false;
  Callbacks callbacks;
  callbacks.stop = &stop;
  callbacks.message = [&](const std::string& line) {
    stop = stop || line.find("8bit.quantize: started") != std::string::npos;
  };
  const Batch batch = read(folder, R"([{"bits": [8, 2]}])");
  const auto begin = std::chrono::steady_clock::now();
  const BatchResult result = run_batch(batch, callbacks);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30))
      << "it would wait for a minute";
  EXPECT_TRUE(result.interrupted);
  EXPECT_EQ(result.failed, 0u);
  EXPECT_THAT(statuses(result), ElementsAre("interrupted", "not run"));
}

TEST(RunBatch, AStepPastItsTimeLimitHasFailedAndTheOthersRun) {
  const BatchFolder folder;
  const Batch batch = read(folder, R"([{"bits": [8, 2]}])", R"("time_limit": 0.3, )");
  const auto begin = std::chrono::steady_clock::now();
  const BatchResult result = run_batch(batch);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30))
      << "it would wait for a minute";
  EXPECT_THAT(statuses(result), ElementsAre(failed, done));
  EXPECT_THAT(result.rows[0].error, AllOf(HasSubstr("time_limit"), HasSubstr("0.3 s")));
  for (const char* bad : {"0", "-1", "\"1h\"", "null"})
    EXPECT_THAT(test::error_text<FormatError>(
                    [&] { read(folder, R"([{"bits": 2}])", std::string("\"time_limit\": ") + bad + ", "); }),
                AllOf(HasSubstr("time_limit"), HasSubstr("seconds, above 0")));
}

TEST(RunBatch, TwoBatchesDoNotShareAFolderButShardsDo) {
  const BatchFolder folder;
  const Batch batch = read(folder, R"([{"bits": [2, 3]}])");
  run_batch(batch);
  Batch shard = batch;
  select_shard(shard, "1/2");
  {
    const auto other = open_locked(folder.path() / "out/batch.lock");
    ASSERT_TRUE(other);
    EXPECT_THAT(test::error_text<InvalidArgument>([&] { run_batch(batch); }),
                AllOf(HasSubstr("out"), HasSubstr("another")));
    EXPECT_THAT(test::error_text<InvalidArgument>([&] { run_batch(shard); }), HasSubstr("another"));
  }
  const auto other = open_locked(folder.path() / "out/batch.lock", /*shared=*/true);
  EXPECT_EQ(run_batch(shard).failed, 0u);
  EXPECT_THAT(test::error_text<InvalidArgument>([&] { run_batch(batch); }), HasSubstr("another"));
}

TEST(RunBatch, AStepThatAnotherProcessStillRunsIsNotStarted) {
  const BatchFolder folder;
  fs::create_directory(folder.path() / "out");
  const auto orphan = open_locked(folder.path() / "out/tiny-2bit.quantize.log");
  const BatchResult result = run_batch(read(folder, R"([{"bits": [2, 3]}])"));
  EXPECT_THAT(statuses(result), ElementsAre(failed, done));
  EXPECT_THAT(result.rows[0].error, HasSubstr("another process"));
}

TEST(DescribeBatch, IsAScriptThatSaysWhatWouldRun) {
  const BatchFolder folder;
  const Batch batch = read(folder, R"([{"bits": [2, 7]}])");
  EXPECT_FALSE(fs::exists(folder.path() / "out"));
  const std::string command =
      (folder.path() / "apiq-quantize").string() + " --model tiny --output out/tiny-2bit.h5 --bits 2";
  EXPECT_THAT(describe_batch(batch),
              ElementsAre("cd " + folder.path().string(), "# tiny-2bit.quantize: to run", command,
                          "# tiny-7bit.quantize: to run", testing::_));
  EXPECT_FALSE(fs::exists(folder.path() / "out")) << "nothing is written";
  run_batch(batch);
  const auto lines = describe_batch(batch);
  EXPECT_EQ(lines[1], "# tiny-2bit.quantize: finished");
  EXPECT_EQ(lines[3], "# tiny-7bit.quantize: to run again, last time: apiq-quantize: error: bits 7");
}

TEST(ToCsv, QuotesWhatWouldBeMisreadAndLeavesUnknownCellsEmpty) {
  BatchResult result;
  result.rows.resize(1);
  result.rows[0].job = "a,b";
  result.rows[0].perplexity = 0.1;
  result.rows[0].status = BatchStatus::failed;
  result.rows[0].error = "he said \"no\"";
  const std::string csv = to_csv(result);
  const std::size_t header = csv.find('\n');
  EXPECT_EQ(csv.substr(header + 1), "\"a,b\",,,,,,,0.1,,,,,,,,failed,\"he said \"\"no\"\"\"");
  EXPECT_EQ(std::count(csv.begin(), csv.begin() + static_cast<std::ptrdiff_t>(header), ','), 16);
}

TEST(Process, ReportsStatusSignalAndProgramsThatCannotStart) {
  const test::TemporaryFolder folder;
  const auto ended = [&](const std::string& program, const std::vector<std::string>& arguments) {
    const auto log = open_locked(folder.path() / "log");
    Process process(program, arguments, folder.path(), log->get());
    for (;;) {
      if (const auto end = process.poll()) return *end;
    }
  };
  EXPECT_EQ(ended("/bin/sh", {"-c", "exit 3"}).status, 3);
  EXPECT_EQ(ended("/bin/sh", {"-c", "kill -9 $$"}).signal, 9);
  EXPECT_EQ(ended("/no/such/program", {}).status, 127);
  EXPECT_EQ(read_file(folder.path() / "log"),
            "/no/such/program cannot be started: No such file or directory\n");
  EXPECT_EQ(output_of("/bin/sh", {"-c", "echo out; echo err >&2"}), "out\n");
  EXPECT_THAT(test::error_text<IoError>([] {
                output_of("/bin/sh", {"-c", "exit 3"});
              }),
              HasSubstr("found 3"));
}

}  // namespace
}  // namespace apiq
