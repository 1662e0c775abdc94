// The side file of a run, and apiq-inspect --plot and --html: pictures of a checkpoint from the command line.
#include "e2e/fixture.hpp"
#include "report/xml_check.hpp"

namespace apiq::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

void expect_well_formed(const std::string& text, const std::string& what) {
  XmlCheck check(text);
  EXPECT_EQ(check.error().value_or("fine"), "fine") << what;
  EXPECT_EQ(check.elements().count("script"), 0u) << what;
}

Outcome plot(const fs::path& checkpoint, const fs::path& svg, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {checkpoint.string(), "--plot", svg.string()});
  return run("apiq-inspect", more);
}

TEST(Report, PlotAndPageShowEveryBlockAndAreTheSameTwice) {
  const Folder folder;
  const fs::path file = folder / "two epochs.h5";
  ASSERT_EQ(run("apiq-quantize", with(tiny_quantize(kModel, file), "--epochs", "2")).status, 0);
  std::vector<std::string> pictures;
  for (const char* name : {"1", "2"}) {
    const fs::path svg = folder / (std::string(name) + ".svg"), html = folder / (std::string(name) + ".html");
    const Outcome outcome = plot(file, svg, {"--html", html.string()});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, HasSubstr("model.layers.5.mlp.down_proj"));
    pictures.push_back(read_bytes(svg) + read_bytes(html));
  }
  EXPECT_TRUE(pictures[0] == pictures[1]);
  const std::string svg = read_bytes(folder / "1.svg"), html = read_bytes(folder / "1.html");
  expect_well_formed(svg, "svg");
  expect_well_formed(html, "html");
  for (int block = 0; block < 6; ++block) {
    const std::string name = "block " + std::to_string(block);
    for (const std::string& text : {svg, html})
      EXPECT_THAT(text,
                  AllOf(HasSubstr(name + ": 0."), HasSubstr(name + " down_proj: 0."),
                        HasSubstr(name + " train: "), HasSubstr(name + " host: "), HasSubstr("in 4 steps")));
  }
  EXPECT_THAT(html, AllOf(HasSubstr("<pre>"), HasSubstr("--epochs 2"),
                          HasSubstr("<td>model.layers.5.mlp.down_proj</td>"), HasSubstr("OpenCL")));
}

TEST(Report, OnePassOverTheSamplesShowsACurve) {
  const Folder folder;
  ASSERT_EQ(run("apiq-quantize", tiny_quantize(kModel, folder / "one.h5", {"--method", "apiq-lw"})).status,
            0);
  ASSERT_EQ(plot(folder / "one.h5", folder / "one.svg", {"--quiet"}).status, 0);
  const std::string svg = read_bytes(folder / "one.svg");
  expect_well_formed(svg, "svg");
  EXPECT_THAT(svg, AllOf(HasSubstr(">step<"), HasSubstr("block 5: "), HasSubstr("in 2 steps")));
}

TEST(Report, WithoutCalibrationOrRunFileThePanelsSaySo) {
  const Folder folder;
  const fs::path file = folder / "rtn.h5";
  ASSERT_EQ(run("apiq-quantize", {"--model", kModel.string(), "--output", file.string(), "--method", "rtn",
                                  "--quiet", "--no-run-file"})
                .status,
            0);
  EXPECT_THAT(folder.names(), ElementsAre("rtn.h5"));
  const Outcome outcome = plot(file, folder / "rtn.svg");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("rtn.h5.run.json"), HasSubstr("--run")));
  const std::string svg = read_bytes(folder / "rtn.svg");
  expect_well_formed(svg, "svg");
  EXPECT_THAT(svg, AllOf(HasSubstr("nothing was trained"), HasSubstr("no calibration text"),
                         HasSubstr("not recorded"), HasSubstr("block 5 up_proj: ")));
}

TEST(Report, ARunFileOfAnotherCheckpointIsNotUsed) {
  const Folder folder;
  const auto quantize = [&](const char* name, const char* seed) {
    return run("apiq-quantize",
               tiny_quantize(kModel, folder / name,
                             {"--seed", seed, "--json", (folder / (std::string(name) + ".json")).string()}));
  };
  ASSERT_EQ(quantize("a.h5", "1").status, 0);
  ASSERT_EQ(quantize("b.h5", "2").status, 0);
  // The side file is the program's result.
  EXPECT_EQ(read_bytes(folder / "a.h5.run.json"), read_bytes(folder / "a.h5.json"));
  fs::copy_file(folder / "b.h5.run.json", folder / "a.h5.run.json", fs::copy_options::overwrite_existing);
  const Outcome outcome = plot(folder / "a.h5", folder / "a.svg");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("a.h5.run.json"), HasSubstr("not of this checkpoint")));
  EXPECT_THAT(read_bytes(folder / "a.svg"), AllOf(HasSubstr(">not recorded<"), Not(HasSubstr(" train: "))));
  EXPECT_EQ(plot(folder / "a.h5", folder / "a.svg", {"--run", (folder / "a.h5.json").string()}).err, "");
  EXPECT_THAT(read_bytes(folder / "a.svg"), HasSubstr("block 5 train: "));

  write_bytes(folder / "a.h5.run.json", "{");
  EXPECT_THAT(plot(folder / "a.h5", folder / "a.svg").err, HasSubstr("time and memory are left out"));
  EXPECT_THAT(read_bytes(folder / "a.svg"), HasSubstr(">not recorded<"));
  expect_failure(plot(folder / "a.h5", folder / "c.svg", {"--run", (folder / "a.h5.run.json").string()}), 1,
                 {"a.h5.run.json"});
  EXPECT_THAT(folder.names(), Not(Contains("c.svg")));
}

TEST(Report, ARunFileThatCannotBeWrittenIsAWarning) {
  const Folder folder;
  fs::create_directory(folder / "out.h5.run.json");  // a folder is in its place
  const Outcome outcome = run("apiq-quantize", tiny_quantize(kModel, folder / "out.h5"));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("warning"), HasSubstr("out.h5.run.json"),
                                 HasSubstr("the checkpoint is complete")));
  EXPECT_EQ(run("apiq-inspect", {(folder / "out.h5").string(), "--verify", "--quiet"}).status, 0);
  EXPECT_EQ(folder.names().size(), 2u);
  EXPECT_THAT(plot(folder / "out.h5", folder / "out.svg").err, HasSubstr("time and memory are left out"));
}

TEST(Report, WhatCannotBePlottedOrWritten) {
  const Folder folder;
  expect_failure(plot(kModel, folder / "x.svg", {"--quiet"}), 1,
                 {kModel.string(), "model directory", "apiq-quantize"});
  expect_failure(plot(tiny_checkpoint(), folder / "no-such-folder/x.svg", {"--quiet"}), 1,
                 {"no-such-folder/x.svg"});
  expect_failure(plot(tiny_checkpoint(), "-"), 2, {"--plot"});
  expect_failure(plot(tiny_checkpoint(), folder / "x.svg", {"--compare", tiny_checkpoint().string()}), 2,
                 {"--compare"});
  expect_failure(run("apiq-inspect", {tiny_checkpoint().string(), "--run", "x.json"}), 2, {"--run"});
  expect_failure(plot(tiny_checkpoint(), folder / "x.svg", {"--quiet", "--run", "/no/such.json"}), 1,
                 {"/no/such.json"});
  EXPECT_THAT(folder.names(), ::testing::IsEmpty());
}

TEST(Report, InspectShowsMixedSettingsLinearsLeftAloneAndErrors) {
  const Folder folder;
  const fs::path file = folder / "mixed.h5";
  ASSERT_EQ(
      run("apiq-quantize", {"--model", kModel.string(), "--output", file.string(), "--method", "rtn",
                            "--quiet", "--modules", "mlp.*", "--override", "down_proj=bits:4,group-size:row"})
          .status,
      0);
  const std::string text = run("apiq-inspect", {file.string()}).out;
  const auto table = lines(text);
  const auto line = [&](const std::string& name) {
    for (const std::string& row : table)
      if (row.starts_with(name + " ")) return row;
    return std::string();
  };
  EXPECT_THAT(line("model.layers.3.self_attn.k_proj"),
              AllOf(HasSubstr("128 x 256"), HasSubstr("f16"), HasSubstr("as it is")));
  EXPECT_THAT(line("model.layers.3.mlp.down_proj"),
              AllOf(HasSubstr("256 x 768"), HasSubstr(" 4 "), HasSubstr("row"), HasSubstr("0.0")));
  EXPECT_THAT(line("bits"), Not(HasSubstr("linears")));  // the option, which comes first
  EXPECT_THAT(text, AllOf(HasSubstr("2 (12 linears), 4 (6)"), HasSubstr("down_proj=bits:4,group-size:row"),
                          HasSubstr("64 (12 linears), row (6)")));
  const std::string svg_path = (folder / "m.svg").string();
  ASSERT_EQ(plot(file, svg_path).status, 0);
  EXPECT_THAT(read_bytes(svg_path),
              AllOf(HasSubstr("block 3 k_proj: left as it is"), HasSubstr("24 linears left as they are")));
}

}  // namespace
}  // namespace apiq::testing
