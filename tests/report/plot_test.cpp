// plot_svg and html_report: well-formed whatever the data, complete, the same twice.
#include "apiq/plot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "apiq/error.hpp"
#include "report/sample.hpp"
#include "report/xml_check.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Sample;
using testing::summary_of;
using testing::XmlCheck;

RunRecord record_of(const nlohmann::json& run) {
  const test::TemporaryFolder folder;
  return read_run_record(folder.write("run.json", run.dump()));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t out = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++out;
  return out;
}

/// Well-formed, self-contained and without numbers that are none.
void expect_sound(const std::string& text, const std::string& what) {
  XmlCheck check(text);
  EXPECT_EQ(check.error().value_or("fine"), "fine") << what;
  EXPECT_EQ(check.elements().count("script"), 0u) << what;
  std::string without_namespace = text;
  const std::string name_space = "xmlns=\"http://www.w3.org/2000/svg\"";
  for (std::size_t at; (at = without_namespace.find(name_space)) != std::string::npos;)
    without_namespace.erase(at, name_space.size());
  EXPECT_THAT(without_namespace, Not(HasSubstr("://"))) << what;
  for (const char* none : {"\"nan", "\"inf", ",nan", ",inf", "\"-nan", "\"-inf"})
    EXPECT_THAT(text, Not(HasSubstr(none))) << what;
}

TEST(PlotSvg, DrawsEveryBlockLinearAndEpoch) {
  const RunRecord run = record_of(testing::run_json_of({}));
  const std::string svg = plot_svg(summary_of({}), &run);
  expect_sound(svg, "6 blocks");
  for (int block = 0; block < 6; ++block) {
    const std::string name = "block " + std::to_string(block);
    EXPECT_THAT(svg, AllOf(HasSubstr(name + ": 0." + (block < 5 ? "0" : "1")),
                           HasSubstr(name + " q_proj: 0.1"), HasSubstr(name + " train: 1.5 s"),
                           HasSubstr(name + " device: 1.00 MiB"), HasSubstr(name + " host: 5.00 MiB")));
  }
  // 2 s are 0.25 of loading, 1.5 of training and a rest.
  EXPECT_EQ(count(svg, " other: 0.25 s"), 6u);
  EXPECT_EQ(count(svg, "_proj: 0.1"), 6u * 7u);
  EXPECT_EQ(count(svg, "in 4 epochs"), 6u * 2u);  // line and end point
  EXPECT_THAT(svg, AllOf(HasSubstr("the run took 13 seconds, the device waited 5 % of it"),
                         Not(HasSubstr("not recorded"))));
}

TEST(PlotSvg, DrawsOnePassOverTheSamplesByItsSteps) {
  Sample sample;
  sample.epochs = 1;
  EXPECT_THAT(plot_svg(summary_of(sample)), HasSubstr("trained for one epoch"));
  sample.points = 100;
  const std::string svg = plot_svg(summary_of(sample));
  expect_sound(svg, "steps");
  EXPECT_THAT(svg, AllOf(HasSubstr(">step<"), HasSubstr("smoothed"), Not(HasSubstr("one epoch"))));
  EXPECT_EQ(count(svg, "in 800 steps"), 6u * 2u);  // line and end point
  EXPECT_THAT(svg, HasSubstr("block 0: 1 to 0.13"));
  // Alternating losses are drawn as their mean, but for the ends.
  sample.step_loss = [](std::size_t, std::size_t point) { return point % 2 == 0 ? 1.5 : 0.5; };
  EXPECT_THAT(plot_svg(summary_of(sample)), Not(HasSubstr("log scale")));
  sample.step_loss = [](std::size_t, std::size_t point) { return point == 50 ? NAN : 1.0; };
  expect_sound(plot_svg(summary_of(sample)), "a step that was not finite");
}

TEST(PlotSvg, IsTheSameTwice) { EXPECT_EQ(plot_svg(summary_of({})), plot_svg(summary_of({}))); }

TEST(PlotSvg, SaysWhatWasNotRecorded) {
  Sample nothing;
  nothing.epochs = 0;
  nothing.relative_error = [](std::size_t) { return NAN; };
  const std::string svg = plot_svg(summary_of(nothing));
  expect_sound(svg, "nothing measured");
  EXPECT_THAT(svg, AllOf(HasSubstr("nothing was trained"), HasSubstr("there was no calibration text"),
                         HasSubstr(">not recorded<")));
}

TEST(PlotSvg, SurvivesAnyData) {
  constexpr double kLargest = std::numeric_limits<double>::max(),
                   kSmallest = std::numeric_limits<double>::denorm_min();
  for (const std::size_t blocks : {1, 2, 13, 80}) {
    for (const double value : {0.0, -1.0, 1.0, 1e-12, static_cast<double>(NAN), kLargest, kSmallest}) {
      Sample sample;
      sample.blocks = blocks;
      // One odd value among others, and nothing but odd values.
      for (const bool all : {false, true}) {
        const auto mixed = [=](std::size_t i) {
          return all || i % 3 == 0 ? value : 0.1 * static_cast<double>(i);
        };
        sample.relative_error = mixed;
        sample.loss = [=](std::size_t block, std::size_t epoch) { return mixed(block + epoch); };
        sample.weight_error = [=](std::size_t block, std::size_t linear) { return mixed(block + linear); };
        const std::string what = std::to_string(blocks) + " blocks, " + std::to_string(value);
        expect_sound(plot_svg(summary_of(sample)), what);
        expect_sound(html_report(summary_of(sample)), what);
      }
    }
  }
}

TEST(PlotSvg, ChoosesLogarithmsForDecades) {
  EXPECT_THAT(plot_svg(summary_of({})), Not(HasSubstr("relative error (log scale)")));
  Sample decades;
  decades.relative_error = [](std::size_t block) { return std::pow(10.0, -static_cast<double>(block)); };
  decades.weight_error = [](std::size_t block, std::size_t) {
    return std::pow(10.0, -static_cast<double>(block));
  };
  decades.loss = [](std::size_t, std::size_t epoch) { return std::pow(10.0, -static_cast<double>(epoch)); };
  EXPECT_THAT(plot_svg(summary_of(decades)),
              AllOf(HasSubstr("relative error (log scale)"), HasSubstr("error (log)"),
                    HasSubstr("loss / first (log scale)")));
}

TEST(PlotSvg, MarksLinearsThatWereLeftAlone) {
  FileSummary summary = summary_of({});
  summary.linears.erase(summary.linears.begin() + 1);
  summary.dense_linears = {"model.layers.0.self_attn.k_proj"};
  const std::string svg = plot_svg(summary);
  EXPECT_THAT(svg,
              AllOf(HasSubstr("block 0 k_proj: left as it is"), HasSubstr("1 linears left as they are")));
  EXPECT_EQ(count(svg, "_proj: 0.1"), 6u * 7u - 1);
}

TEST(PlotSvg, ShowsBlocksOfAnEarlierRunWithoutTimes) {
  nlohmann::json json = testing::run_json_of({});
  for (const int block : {0, 1})
    json["blocks"][block].update({{"resumed", true}, {"seconds", 0}, {"phases", nlohmann::json::object()}});
  const RunRecord run = record_of(json);
  const std::string svg = plot_svg(summary_of({}), &run);
  EXPECT_EQ(count(svg, "done in an earlier run"), 2u);
  EXPECT_EQ(count(svg, " train: 1.5 s"), 4u);
  for (auto& block : json["blocks"]) block["resumed"] = true;
  const RunRecord resumed = record_of(json);
  EXPECT_THAT(plot_svg(summary_of({}), &resumed), HasSubstr("every block was done in an earlier run"));
}

TEST(PlotSvg, RefusesWhatHasNothingToPlot) {
  FileSummary directory = summary_of({});
  directory.kind = "model directory";
  EXPECT_THROW(plot_svg(directory), Unsupported);
  FileSummary silent = summary_of({});
  silent.report_json.clear();
  EXPECT_THROW(plot_svg(silent), Unsupported);
  for (const char* damaged :
       {"{", "[]", R"({"blocks":1})", R"({"blocks":[{"index":0}]})", R"({"blocks":[{"index":"x"}]})"}) {
    FileSummary summary = summary_of({});
    summary.report_json = damaged;
    EXPECT_THROW(plot_svg(summary), FormatError) << damaged;
  }
}

TEST(HtmlReport, HoldsPlotsSettingsProvenanceCommandAndTables) {
  const RunRecord run = record_of(testing::run_json_of({}));
  const std::string html = html_report(summary_of({}), &run);
  expect_sound(html, "page");
  EXPECT_EQ(count(html, "<svg "), 4u);
  EXPECT_THAT(html, AllOf(HasSubstr("<pre>apiq-quantize --model m --output model.h5</pre>"),
                          HasSubstr("<td>a device</td>"), HasSubstr("<td>down_proj=bits:3</td>"),
                          HasSubstr("<td>0.0005</td>")));
  EXPECT_EQ(count(html, "<td>model.layers."), 6u * 7u);
  EXPECT_TRUE(html.starts_with("<!DOCTYPE html>"));
}

TEST(HtmlReport, TextOfTheFileStaysText) {
  FileSummary summary = summary_of({});
  summary.path = "</title><script>alert(1)</script>.h5";
  summary.method = "<b>";
  summary.options_json = R"({"<i>":"</pre><img src=x>"})";
  summary.provenance_json = R"({"command":"</pre><script>"})";
  const std::string html = html_report(summary);
  expect_sound(html, "hostile");
  XmlCheck check(html);
  check.error();
  for (const char* element : {"script", "b", "i", "img"})
    EXPECT_EQ(check.elements().count(element), 0u) << element;
}

TEST(RunRecord, BelongsToItsCheckpointOnly) {
  const nlohmann::json json = testing::run_json_of({});
  EXPECT_EQ(run_mismatch(summary_of({}), record_of(json)), "");
  nlohmann::json other = json;
  other["output_bytes"] = 4097;
  EXPECT_THAT(run_mismatch(summary_of({}), record_of(other)), AllOf(HasSubstr("4097"), HasSubstr("4096")));
  other = json;
  other["command"] = "apiq-quantize --seed 1";
  EXPECT_THAT(run_mismatch(summary_of({}), record_of(other)), HasSubstr("--seed 1"));
  other = json;
  other["blocks"][3]["linears"][2]["weight_error"] = 0.5;
  EXPECT_THAT(run_mismatch(summary_of({}), record_of(other)), HasSubstr("block 3"));
  other = json;
  other["blocks"].erase(5);
  EXPECT_THAT(run_mismatch(summary_of({}), record_of(other)), HasSubstr("blocks: 5"));
}

TEST(RunRecord, RefusesOtherFiles) {
  nlohmann::json json = testing::run_json_of({});
  json["program"] = "apiq-eval";
  EXPECT_THROW(record_of(json), FormatError);
  json = testing::run_json_of({});
  json["dry_run"] = true;
  EXPECT_THROW(record_of(json), FormatError);
  for (const char* key : {"blocks", "command", "output_bytes", "quantize_seconds"}) {
    json = testing::run_json_of({});
    json.erase(key);
    EXPECT_THROW(record_of(json), FormatError) << key;
    json[key] = {{"x", 1}};
    EXPECT_THROW(record_of(json), FormatError) << key;
  }
  EXPECT_THROW(record_of(nlohmann::json::array()), FormatError);
  EXPECT_THROW(read_run_record("/no/such/run.json"), IoError);
}

TEST(SettingRows, FlattenNestedSettings) {
  const auto rows =
      setting_rows(R"({"a":{"b":1,"c":[1,"x"]},"group_size":0,"rate":0.004999999888241291,"none":null})");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"a.b", "1"}, {"a.c", "1, x"}, {"group_size", "row"}, {"none", "-"}, {"rate", "0.005"}};
  EXPECT_EQ(rows, expected);
  EXPECT_TRUE(setting_rows("").empty());
  EXPECT_THROW(setting_rows("{"), FormatError);
}

TEST(SettingTexts, NameMixedSettings) {
  FileSummary summary = summary_of({});
  EXPECT_EQ(setting_texts(summary).bits, "2");
  summary.linears[3].bits = 4;
  EXPECT_EQ(setting_texts(summary).bits, "2 (41 linears), 4 (1)");
  summary.linears[3].group_size = 256;  // a whole row
  EXPECT_EQ(setting_texts(summary).group_size, "64 (41 linears), row (1)");
  EXPECT_EQ(setting_texts(FileSummary{}).bits, "");
}

}  // namespace
}  // namespace apiq
