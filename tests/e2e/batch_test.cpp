// apiq-batch with the real programs: what a user sees of skipping, failures, crashes, Ctrl-C and manifests
// that are wrong.
#include "e2e/fixture.hpp"
#include "support/paths.hpp"

namespace apiq::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

/// A manifest in the folder: tiny jobs on the bundled model, evaluated on a few windows.
fs::path manifest(const Folder& folder, const Json& jobs, const Json& more = Json::object()) {
  Json out = {
      {"models", {{"novels", kModel.string()}}},
      {"output", "out"},
      {"defaults",
       {{"calibration", (kModel / "calibration.txt").string()},
        {"samples", 2},
        {"sequence-length", 32},
        {"rank", 4},
        {"quiet", true}}},
      {"eval",
       {{"text", (kModel / "validation.txt").string()}, {"sequence-length", 32}, {"max-tokens", 320}}},
      {"jobs", jobs}};
  out.update(more);
  write_bytes(folder / "batch.json", out.dump());
  return folder / "batch.json";
}

const Json kJobs = {{{"method", "rtn"}, {"bits", 2}, {"rank", 0}},
                    {{"method", "apiq-lw"}, {"bits", 3}, {"epochs", 1}}};

std::vector<std::string> statuses(const Json& result) {
  std::vector<std::string> out;
  for (const Json& job : result.at("jobs")) out.push_back(job.at("status"));
  return out;
}

Outcome batch(const fs::path& file, std::vector<std::string> more = {}, const RunOptions& options = {}) {
  more.insert(more.begin(), file.string());
  return run("apiq-batch", more, options);
}

/// The rows of a run that may have failed jobs.
Json rows_of(const Outcome& outcome) { return Json::parse(outcome.out); }

TEST(Batch, RunsOnTwoDevicesAndKeepsWhatIsFinished) {
  const Folder folder;
  const fs::path file = manifest(folder, kJobs, {{"devices", {"cpu", "cpu"}}});
  const Json first = json_of(batch(file, {"--json", "-"}));
  EXPECT_THAT(statuses(first), ElementsAre("done", "done", "done"));
  const Json& rtn = first["jobs"][1];
  EXPECT_EQ(rtn["job"], "novels-rtn-2bit");
  EXPECT_EQ(rtn["rank"], 0);
  EXPECT_EQ(rtn["bits"], 2);
  EXPECT_EQ(first["program"], "apiq-batch");

  // The rows agree with what the programs say when asked without a batch.
  const Json eval =
      json_of(run("apiq-eval", {"--model", (folder / "out/novels-rtn-2bit.h5").string(), "--text",
                                (kModel / "validation.txt").string(), "--sequence-length", "32",
                                "--max-tokens", "320", "--json", "-"}));
  EXPECT_EQ(rtn["perplexity"], eval["perplexity"]);
  const Json own = Json::parse(read_bytes(folder / "out/novels-apiq-lw-3bit.quantize.json"));
  EXPECT_EQ(first["jobs"][2]["relative_error"], own["blocks"].back()["relative_error"]);
  EXPECT_EQ(first["jobs"][2]["adapter_bits_per_weight"], own["adapter_bits_per_weight"]);

  const auto written = fs::last_write_time(folder / "out/novels-rtn-2bit.h5");
  const Outcome again = batch(file, {"--csv", (folder / "table.csv").string()});
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.err, Not(HasSubstr("started")));
  EXPECT_THAT(again.out, AllOf(HasSubstr("novels-apiq-lw-3bit"), HasSubstr("kept"), Not(HasSubstr("done"))));
  EXPECT_EQ(fs::last_write_time(folder / "out/novels-rtn-2bit.h5"), written);
  EXPECT_EQ(lines(read_bytes(folder / "table.csv")).size(), 4u);

  manifest(folder, {{{"method", "rtn"}, {"bits", 2}, {"rank", 0}, {"group-size", 128}}});
  const Outcome changed = batch(file, {"--json", "-"});
  EXPECT_THAT(statuses(rows_of(changed)), ElementsAre("kept", "done"));
  EXPECT_THAT(changed.err, HasSubstr("changed since: arguments"));
  EXPECT_EQ(rows_of(changed)["jobs"][1]["group_size"], "128");
}

TEST(Batch, FailuresAndCrashesStayWithTheirJobs) {
  const Folder folder;
  // A program that dies where the real one would go on.
  const std::string real = fs::absolute(APIQ_BINARY_DIR "/bin/apiq-quantize").string();
  write_bytes(
      folder / "dies",
      "#!/bin/sh\ncase \"$*\" in *'--alpha 99'*) echo 'before the end' >&2; kill -ABRT $$;; esac\nexec '" +
          real + "' \"$@\"\n");
  fs::permissions(folder / "dies", fs::perms::owner_all);
  const Json jobs = {{{"method", "rtn"}, {"bits", {7, 2}}, {"rank", 0}},
                     {{"method", "rtn"}, {"bits", 4}, {"alpha", 99}}};
  const fs::path file = manifest(folder, jobs, {{"programs", {{"quantize", "dies"}}}});
  const Outcome outcome = batch(file, {"--json", "-"});
  EXPECT_EQ(outcome.status, 1);
  const Json result = rows_of(outcome);
  EXPECT_THAT(statuses(result), ElementsAre("done", "failed", "done", "failed"));
  EXPECT_THAT(std::string(result["jobs"][1]["error"]), AllOf(HasSubstr("--bits"), HasSubstr("7")));
  EXPECT_THAT(std::string(result["jobs"][3]["error"]),
              AllOf(HasSubstr("signal 6"), HasSubstr("before the end")));
  EXPECT_EQ(result["failed"], 2);
  EXPECT_THAT(lines(outcome.err).back(),
              AllOf(HasSubstr("apiq-batch: error: 2 of 4 jobs failed"), HasSubstr("out")));
  EXPECT_THAT(batch(file).out, HasSubstr("signal 6")) << "the table names it too";
}

TEST(Batch, CtrlCStopsTheRunningJobAndTheSameCommandGoesOn) {
  const Folder folder;
  Json jobs = kJobs;
  jobs[1]["epochs"] = 100000;  // for hours
  const fs::path file = manifest(folder, jobs);
  RunOptions options;
  options.interrupt_at = "apiq-lw-3bit.quantize: started";
  const Outcome outcome = batch(file, {"--json", (folder / "table.json").string()}, options);
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_THAT(lines(outcome.err).back(), HasSubstr("interrupted"));
  EXPECT_THAT(statuses(Json::parse(read_bytes(folder / "table.json"))),
              ElementsAre("done", "done", "interrupted"));
  manifest(folder, kJobs);
  EXPECT_THAT(statuses(json_of(batch(file, {"--json", "-"}))), ElementsAre("kept", "kept", "done"));
}

TEST(Batch, ShardsMakeTheBatchAndALaterRunGathersIt) {
  const Folder folder;
  const fs::path file = manifest(folder, {{{"method", "rtn"}, {"bits", {2, 3, 4}}, {"rank", 0}}});
  EXPECT_THAT(statuses(json_of(batch(file, {"--shard", "1/2", "--json", "-"}))), ElementsAre("done", "done"));
  EXPECT_THAT(statuses(json_of(batch(file, {"--shard", "2/2", "--json", "-"}))), ElementsAre("done", "done"));
  EXPECT_THAT(statuses(json_of(batch(file, {"--json", "-"}))), ElementsAre("kept", "kept", "kept", "kept"));
  EXPECT_THAT(statuses(json_of(batch(file, {"--jobs", "*-3bit", "--json", "-"}))), ElementsAre("kept"));
}

TEST(Batch, WhatIsWrongIsSaidBeforeAnythingStarts) {
  const Folder folder;
  const auto refused = [&](const fs::path& file, int status, const std::vector<std::string>& texts,
                           const std::vector<std::string>& more = {}) {
    expect_failure(batch(file, more), status, texts);
    EXPECT_FALSE(fs::exists(folder / "out"));
  };
  refused(manifest(folder, {{{"bitz", 2}}}), 1, {"batch.json: jobs[0].bitz:", "apiq-quantize --help"});
  refused(manifest(folder, kJobs, {{"job", 1}}), 1, {"batch.json: job:", "unknown key"});
  refused(manifest(folder, kJobs, {{"models", {"missing"}}}), 1,
          {"batch.json: models[0]:", "missing", "does not exist"});
  refused(manifest(folder, {{{"symmetric", "yes"}}}), 1, {"batch.json: jobs[0].symmetric:", "true or false"});
  if (!fs::exists(APIQ_BINARY_DIR "/bin/apiq-export"))
    refused(manifest(folder, kJobs, {{"export", {{"format", "hf"}}}}), 1, {"batch.json:", "no apiq-export"});
  refused(manifest(folder, kJobs), 2, {"no-such-job"}, {"--jobs", "no-such-job"});
  refused(manifest(folder, kJobs), 2, {"I/N", "9/3"}, {"--shard", "9/3"});
  refused(manifest(folder, kJobs), 2, {"--seed", "manifest"}, {"--seed", "1"});
  refused("/no/such/batch.json", 1, {"/no/such/batch.json"});
  write_bytes(folder / "batch.json", "{");
  refused(folder / "batch.json", 1, {"batch.json", "JSON"});
}

TEST(Batch, TheResultsTableOfTheProjectIsAManifestThatHolds) {
  const Outcome outcome =
      batch(fs::absolute(APIQ_SOURCE_DIR "/scripts/results-table.json").string(), {"--dry-run"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const char* method : {"rtn", "apiq-lw", "apiq-bw"}) {
    for (const char* bits : {"2", "3", "4"})
      EXPECT_THAT(outcome.out, HasSubstr("# novels-6m-" + std::string(method) + "-" + bits + "bit.quantize"))
          << method;
  }
}

}  // namespace
}  // namespace apiq::testing
