// What a manifest means, and that one that means nothing is refused with the file and the key before anything
// starts.
#include "batch/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "batch/fake_program.hpp"
#include "support/errors.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using test::BatchFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Batch read(const BatchFolder& folder, const std::string& text) {
  return read_batch(folder.write("m.json", text), folder.path());
}

std::vector<std::string> names(const Batch& batch) {
  std::vector<std::string> out;
  for (const BatchJob& job : batch.jobs) out.push_back(job.name);
  return out;
}

TEST(DescribeProgram, SwitchesValuesAndLists) {
  const BatchFolder folder;
  const DescribedProgram quantize = describe_program(folder.path() / "apiq-quantize");
  EXPECT_EQ(quantize.program.version, "apiq-quantize 0.1.0");
  EXPECT_TRUE(quantize.program.can_restart);
  EXPECT_EQ(quantize.options.at("symmetric"), OptionKind::flag);
  EXPECT_EQ(quantize.options.at("bits"), OptionKind::value);
  EXPECT_EQ(quantize.options.at("calibration"), OptionKind::list);
  EXPECT_EQ(quantize.options.size(), test::kFakeQuantizeOptions.size());
}

TEST(DescribeProgram, WhatIsNoDescriptionIsRefused) {
  const BatchFolder folder;
  for (const char* answer :
       {"{}", "{\"options\": 7}", "{\"options\": [{\"name\": \"bits\"}]}", "Usage: x [options]"}) {
    folder.write("apiq-quantize",
                 std::string("#!/bin/sh\n[ \"$1\" = --version ] && echo x 1 || echo '") + answer + "'\n");
    std::filesystem::permissions(folder.path() / "apiq-quantize", std::filesystem::perms::owner_all);
    EXPECT_THAT(test::error_text<FormatError>([&] { describe_program(folder.path() / "apiq-quantize"); }),
                HasSubstr("apiq-quantize --describe"))
        << answer;
  }
}

TEST(Manifest, EveryCombinationOfTheAxesIsAJob) {
  const BatchFolder folder;
  const Batch batch = read(
      folder,
      R"({"models": ["tiny"], "jobs": [{"method": ["rtn", "apiq-lw"], "bits": [2, 4], "rank": [0, 16]}]})");
  EXPECT_THAT(names(batch),
              ElementsAre("tiny-rtn-2bit-rank0", "tiny-rtn-2bit-rank16", "tiny-rtn-4bit-rank0",
                          "tiny-rtn-4bit-rank16", "tiny-apiq-lw-2bit-rank0", "tiny-apiq-lw-2bit-rank16",
                          "tiny-apiq-lw-4bit-rank0", "tiny-apiq-lw-4bit-rank16"));
  ASSERT_EQ(batch.jobs[1].steps.size(), 1u);
  EXPECT_THAT(batch.jobs[1].steps[0].arguments,
              ElementsAre("--model", "tiny", "--output", "m/tiny-rtn-2bit-rank16.h5", "--bits", "2",
                          "--method", "rtn", "--rank", "16"));
  EXPECT_EQ(batch.output, "m") << "the manifest's name where it names no output folder";
  EXPECT_THAT(batch.devices, ElementsAre(""));
}

TEST(Manifest, DefaultsFillInNullTakesThemBackAndListsOfTheProgramStayLists) {
  const BatchFolder folder;
  folder.write("more.txt", "More.");
  const Batch batch = read(folder, R"({"models": {"a": "tiny"}, "output": "out",
      "defaults": {"calibration": ["text.txt", "more.txt"], "rank": 16, "symmetric": true, "seed": 0.5},
      "jobs": [{"bits": 2}, {"bits": 3, "rank": null, "symmetric": false, "calibration": [["text.txt"], ["more.txt"]], "name": "{model}_{bits}_{calibration}"}]})");
  ASSERT_THAT(names(batch), ElementsAre("a-2bit", "a_3_text.txt", "a_3_more.txt"));
  EXPECT_THAT(batch.jobs[0].steps[0].arguments,
              ElementsAre("--model", "tiny", "--output", "out/a-2bit.h5", "--bits", "2", "--calibration",
                          "text.txt", "more.txt", "--rank", "16", "--seed", "0.5", "--symmetric"));
  EXPECT_THAT(batch.jobs[1].steps[0].arguments,
              ElementsAre("--model", "tiny", "--output", "out/a_3_text.txt.h5", "--bits", "3",
                          "--calibration", "text.txt", "--seed", "0.5"));
  EXPECT_THAT(batch.jobs[0].steps[0].inputs, ElementsAre("text.txt", "more.txt", "tiny"));
}

TEST(Manifest, EvalFollowsEveryResultAndTheModelsThemselves) {
  const BatchFolder folder;
  const Batch batch = read(
      folder,
      R"({"models": ["tiny"], "eval": {"text": "text.txt", "reference": "tiny"}, "jobs": [{"bits": 2}]})");
  ASSERT_THAT(names(batch), ElementsAre("tiny", "tiny-2bit"));
  EXPECT_THAT(batch.jobs[0].steps[0].arguments,
              ElementsAre("--model", "tiny", "--reference", "tiny", "--text", "text.txt"));
  ASSERT_EQ(batch.jobs[1].steps.size(), 2u);
  EXPECT_EQ(batch.jobs[1].steps[1].id, "tiny-2bit.eval");
  EXPECT_THAT(batch.jobs[1].steps[1].arguments,
              ElementsAre("--model", "m/tiny-2bit.h5", "--reference", "tiny", "--text", "text.txt"));
  EXPECT_THAT(
      names(read(
          folder,
          R"({"models": ["tiny"], "eval": {"text": "text.txt", "unquantized": false}, "jobs": [{"bits": 2}]})")),
      ElementsAre("tiny-2bit"));
  const Batch single = read(
      folder,
      R"({"models": ["tiny"], "eval": {"text": "text.txt"}, "jobs": [{"program": "eval", "no-lora": true}]})");
  ASSERT_THAT(names(single), ElementsAre("tiny", "tiny-eval"));
  EXPECT_THAT(single.jobs[1].steps[0].arguments,
              ElementsAre("--model", "tiny", "--no-lora", "--text", "text.txt"));
}

TEST(Manifest, ShardsTogetherAreTheBatch) {
  const BatchFolder folder;
  const Batch batch = read(folder, R"({"models": ["tiny"], "jobs": [{"bits": [2, 3, 4]}]})");
  Batch first = batch, second = batch, nothing = batch, picked = batch;
  select_shard(first, "1/2");
  select_shard(second, "2/2");
  select_shard(nothing, "4/4");
  EXPECT_THAT(names(first), ElementsAre("tiny-2bit", "tiny-4bit"));
  EXPECT_THAT(names(second), ElementsAre("tiny-3bit"));
  EXPECT_THAT(names(nothing), ElementsAre());
  select_jobs(picked, "*-[34]bit");
  EXPECT_THAT(names(picked), ElementsAre("tiny-3bit", "tiny-4bit"));
  for (const char* bad : {"", "1", "0/2", "3/2", "1/0", "1/2x", "-1/2", "a/b", "1/"})
    EXPECT_THAT(test::error_text<InvalidArgument>([&] { select_shard(first, bad); }), HasSubstr("I/N"))
        << bad;
  EXPECT_THAT(test::error_text<InvalidArgument>([&] { select_jobs(first, "x*"); }), HasSubstr("x*"));
}

struct Refused {
  std::string text;                // single quotes stand for double ones
  std::vector<std::string> parts;  // of the complaint
};

TEST(Manifest, WhatIsWrongIsNamedByFileAndKey) {
  const std::string models = "'models': ['tiny'], ";
  const std::vector<Refused> cases = {
      {"{'models': ['tiny'], 'jobs': [}", {"byte"}},
      {"[]", {"object"}},
      {"{" + models + "'job': []}", {"job:", "unknown key", "jobs"}},
      {"{" + models + "'defaults': {}}", {"'jobs' is missing"}},
      {"{'jobs': [{'bits': 2}]}", {"'models' is missing"}},
      {"{'models': {'big': 'no/such'}, 'jobs': [{}]}", {"models.big:", "no/such", "does not exist"}},
      {"{'models': ['.'], 'jobs': [{}]}", {"models[0]:", "config.json"}},
      {"{'models': ['tiny', './tiny/'], 'jobs': [{}]}", {"models[1]:", "'tiny'"}},
      {"{'models': 7, 'jobs': [{}]}", {"models:", "7"}},
      {"{'models': ['text.txt'], 'jobs': [{}]}", {"jobs[0]:", "text.txt", "directory"}},
      {"{" + models + "'jobs': {}}", {"jobs:", "list"}},
      {"{" + models + "'jobs': []}", {"jobs:", "at least one"}},
      {"{" + models + "'jobs': [7]}", {"jobs[0]:", "object", "7"}},
      {"{" + models + "'jobs': [{}, {'bitz': 2}]}", {"jobs[1].bitz:", "apiq-quantize --help"}},
      {"{" + models + "'jobs': [{'bits': {}}]}", {"jobs[0].bits:", "number", "{}"}},
      {"{" + models + "'jobs': [{'bits': [2, true]}]}", {"jobs[0].bits[1]:", "true"}},
      {"{" + models + "'jobs': [{'bits': []}]}", {"jobs[0].bits:", "at least one"}},
      {"{" + models + "'jobs': [{'symmetric': 1}]}", {"jobs[0].symmetric:", "true or false", "1"}},
      {"{" + models + "'jobs': [{'output': 'x'}]}", {"jobs[0].output:", "itself"}},
      {"{" + models + "'jobs': [{'device': 'x'}]}", {"jobs[0].device:", "devices"}},
      {"{" + models + "'jobs': [{'model': 'huge'}]}", {"jobs[0].model:", "huge"}},
      {"{" + models + "'jobs': [{'model': ['tiny', 3]}]}", {"jobs[0].model[1]:", "3"}},
      {"{" + models + "'jobs': [{'program': 'train'}]}", {"jobs[0].program:", "train"}},
      {"{" + models + "'jobs': [{'name': '{rank}'}]}", {"jobs[0].name:", "{rank}"}},
      {"{" + models + "'jobs': [{'name': 'x{'}]}", {"jobs[0].name:"}},
      {"{" + models + "'jobs': [{'bits': [2, 3], 'name': 'same'}]}", {"jobs[0]:", "'same'", "{option}"}},
      {"{" + models + "'jobs': [{'bits': 2}, {'bits': 2}]}", {"jobs[1]:", "'tiny-2bit'"}},
      {"{" + models + "'jobs': [{'calibration': 'none.txt'}]}",
       {"jobs[0].calibration:", "none.txt", "does not exist"}},
      {"{" + models + "'jobs': [{}], 'defaults': {'model': 'tiny'}}", {"defaults.model:"}},
      {"{" + models + "'jobs': [{}], 'eval': {}}", {"eval:", "'text'"}},
      {"{" + models + "'jobs': [{}], 'eval': {'text': ['text.txt', 'text.txt']}}",
       {"eval.text:", "one value"}},
      {"{" + models + "'jobs': [{}], 'eval': {'text': 'none.txt'}}", {"eval.text:", "none.txt"}},
      {"{" + models + "'jobs': [{}], 'eval': {'text': 'text.txt', 'bits': 2}}", {"eval.bits:", "apiq-eval"}},
      {"{" + models + "'jobs': [{}], 'export': {'format': 'hf'}}", {"apiq-export", "does not exist"}},
      {"{" + models + "'jobs': [{}], 'devices': []}", {"devices:"}},
      {"{" + models + "'jobs': [{}], 'devices': ['cpu', 1]}", {"devices[1]:", "1"}},
      {"{" + models + "'jobs': [{}], 'output': ''}", {"output:"}},
      {"{" + models + "'jobs': [{}], 'programs': {'train': 'x'}}", {"programs.train:", "unknown"}},
      {"{" + models + "'jobs': [{}], 'programs': {'quantize': 'x'}}", {"programs.quantize:", "not a file"}},
  };
  const BatchFolder folder;
  for (const Refused& c : cases) {
    std::string text = c.text;
    std::replace(text.begin(), text.end(), '\'', '"');
    const std::string complaint = test::error_text<FormatError>([&] { read(folder, text); });
    EXPECT_THAT(complaint, HasSubstr("m.json: ")) << text;
    EXPECT_THAT(complaint, testing::Not(HasSubstr("\n"))) << text;
    for (const std::string& part : c.parts) EXPECT_THAT(complaint, HasSubstr(part)) << text;
  }
  EXPECT_TRUE(folder.calls().empty());
  EXPECT_FALSE(fs::exists(folder.path() / "m"));
}

TEST(Manifest, ARunawayProductIsRefused) {
  const BatchFolder folder;
  std::string many = "0";
  for (int i = 1; i < 101; ++i) many += "," + std::to_string(i);
  const std::string text =
      "{\"models\": [\"tiny\"], \"jobs\": [{\"seed\": [" + many + "], \"rank\": [" + many + "]}]}";  // 10201
  EXPECT_THAT(test::error_text<FormatError>([&] { read(folder, text); }),
              AllOf(HasSubstr("jobs[0]"), HasSubstr("10000")));
}

TEST(Manifest, AProgramThatIsNoneIsSaidToBe) {
  const BatchFolder folder;
  folder.write("apiq-quantize", "#!/bin/sh\nexit 3\n");
  EXPECT_THAT(test::error_text<IoError>([&] { read(folder, R"({"models": ["tiny"], "jobs": [{}]})"); }),
              HasSubstr("apiq-quantize"));
}

}  // namespace
}  // namespace apiq
