// Settings of single linears from the command line to every reader of the checkpoint; --dry-run and --trace.
#include <cmath>
#include <map>
#include <set>

#include "e2e/fixture.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// apiq-inspect's linears by name.
std::map<std::string, nlohmann::json> linears_of(const fs::path& checkpoint) {
  std::map<std::string, nlohmann::json> out;
  const auto json = json_of(run("apiq-inspect", {checkpoint.string(), "--json", "-"}));
  for (const auto& linear : json["linears"]) out[linear["name"]] = linear;
  return out;
}

double perplexity_of(const fs::path& model) {
  const auto json = json_of(
      run("apiq-eval", {"--quiet", "--model", model.string(), "--text", (kModel / "validation.txt").string(),
                        "--sequence-length", "64", "--max-tokens", "1024", "--json", "-"}));
  return json["perplexity"];
}

TEST(Settings, OverridesAndModulesReachTheCheckpointAndItsReaders) {
  const Folder folder;
  const Outcome outcome =
      run("apiq-quantize",
          tiny_quantize(kModel, folder / "mixed.h5",
                        {"--modules", "q_proj,k_proj,v_proj,o_proj,up_proj,down_proj", "--override",
                         "down_proj=bits:4,group-size:128,rank:8", "--override", "model.layers.0.*=bits:3"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto linears = linears_of(folder / "mixed.h5");
  EXPECT_EQ(linears.size(), 6u * 6u);
  EXPECT_FALSE(linears.contains("model.layers.0.mlp.gate_proj"));
  const auto expect = [&](const std::string& name, int bits, int group_size, int rank) {
    const auto& linear = linears.at(name);
    EXPECT_EQ(linear["bits"], bits) << name;
    EXPECT_EQ(linear["group_size"], group_size) << name;
    EXPECT_EQ(linear["rank"], rank) << name;
  };
  expect("model.layers.0.self_attn.q_proj", 3, 64, 4);
  expect("model.layers.0.mlp.down_proj", 3, 128,
         8);  // the last override that matches wins, setting by setting
  expect("model.layers.4.mlp.down_proj", 4, 128, 8);
  expect("model.layers.4.mlp.up_proj", 2, 64, 4);
  // The linear that was left alone is there as the model has it.
  const auto tensors =
      json_of(run("apiq-inspect", {(folder / "mixed.h5").string(), "--json", "-"}))["tensors"];
  EXPECT_THAT(tensors.dump(), HasSubstr("model.layers.3.mlp.gate_proj.weight"));
  EXPECT_EQ(run("apiq-inspect", {(folder / "mixed.h5").string(), "--verify"}).status, 0);
  // More bits and fewer quantized linears: closer to the model than two bits everywhere.
  const double full = perplexity_of(kModel), mixed = perplexity_of(folder / "mixed.h5"),
               two_bits = perplexity_of(tiny_checkpoint());
  EXPECT_LT(std::abs(std::log(mixed / full)), std::abs(std::log(two_bits / full)));
  const Outcome text = run("apiq-generate", {"--quiet", "--model", (folder / "mixed.h5").string(), "--prompt",
                                             "It was", "--max-tokens", "4"});
  EXPECT_EQ(text.status, 0) << text.err;
}

TEST(Settings, PatternsThatMatchNothingAndValuesThatDoNotFitAreRefused) {
  const Folder folder;
  const auto refused = [&](const std::vector<std::string>& more, const std::vector<std::string>& texts) {
    expect_failure(run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5", more)), 2, texts);
  };
  refused({"--modules", "no_proj"}, {"no_proj"});
  refused({"--override", "no_proj=bits:4"}, {"no_proj"});
  refused({"--override", "q_proj=bits:5"}, {"5"});
  refused({"--override", "q_proj=group-size:60"}, {"60"});
  refused({"--override", "q_proj=colour:4"}, {"colour"});
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(DryRun, PrintsWhatARunNeedsAndLeavesNothing) {
  const Folder folder;
  const auto json =
      json_of(run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5", {"--dry-run", "--json", "-"})));
  EXPECT_THAT(folder.names(), IsEmpty());
  const Outcome text = run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5", {"--dry-run"}));
  EXPECT_EQ(text.status, 0) << text.err;
  for (const char* word : {"stage", "peak device memory", "train", "advance", "time", "disk", "output"})
    EXPECT_THAT(text.out, HasSubstr(word));
  EXPECT_THAT(folder.names(), IsEmpty());
  ASSERT_FALSE(json["stages"].empty());
  double seconds = 0;
  for (const auto& stage : json["stages"]) seconds += stage["seconds"].get<double>();
  EXPECT_NEAR(json["estimated_seconds"].get<double>(), seconds, 1e-9 * seconds);
}

TEST(DryRun, PredictsMemoryAndOutputOfTheRealRun) {
  const Folder folder;
  auto arguments = with(with(tiny_quantize(kModel, folder / "out.h5", {"--json", "-"}), "--samples", "16"),
                        "--sequence-length", "128");
  const auto real = json_of(run("apiq-quantize", arguments));
  arguments.push_back("--dry-run");
  const auto dry = json_of(run("apiq-quantize", arguments));
  const double device = real["peak_device_bytes"], planned = dry["estimated_device_bytes"];
  EXPECT_LE(device, planned);
  EXPECT_LT(planned, 1.15 * device);
  const double output = real["output_bytes"], foreseen = dry["estimated_output_bytes"];
  EXPECT_NEAR(foreseen, output, 0.05 * output);  // what is not tensors: configuration, tokenizer, reports
}

/// A Chrome trace that a viewer can load: every lane is named, and every lane that a streaming run uses has
/// spans of some length.
TEST(Trace, IsValidJsonWithAllLanes) {
  const Folder folder;
  const auto arguments = with(tiny_quantize(kModel, folder / "out.h5",
                                            {"--recipe", "paper", "--trace", (folder / "trace.json").string(),
                                             "--device-memory", "12MiB"}),
                              "--samples", "8");
  const Outcome outcome = run("apiq-quantize", arguments);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto trace = nlohmann::json::parse(read_bytes(folder / "trace.json"));
  const auto& events = trace.is_array() ? trace : trace["traceEvents"];
  std::map<int, std::string> lanes;
  std::set<int> used;
  for (const auto& event : events) {
    if (event["ph"] == "M" && event["name"] == "thread_name") lanes[event["tid"]] = event["args"]["name"];
    if (event["ph"] != "X") continue;
    EXPECT_GE(event["dur"].get<double>(), 0.0);
    used.insert(event["tid"].get<int>());
  }
  std::set<std::string> names;
  for (const int lane : used) names.insert(lanes.at(lane));
  for (const char* name : {"compute", "upload", "disk read", "disk write"})
    EXPECT_TRUE(names.contains(name)) << name << " in " << trace.dump().substr(0, 600);
}

}  // namespace
}  // namespace apiq::testing
