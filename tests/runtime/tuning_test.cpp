// Reading of tuning files: what is taken, what is said, what is refused.
#include "runtime/tuning_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiq/error.hpp"
#include "runtime/tuning.hpp"
#include "support/errors.hpp"
#include "support/paths.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

using runtime::read_tuning_file;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TuningFile : public ::testing::Test {
 protected:
  runtime::TuningData read(const std::string& tunables, const std::string& more = {}) {
    return read_tuning_file(
        folder_.write("x.json", "{\"tunables\": " + tunables + ", \"choices\": {}" + more + "}"));
  }
  std::string refusal(const std::string& tunables, const std::string& more = {}) {
    const std::string text = test::error_text<FormatError>([&] { read(tunables, more); });
    EXPECT_THAT(text, HasSubstr("x.json: "));
    EXPECT_THAT(text, ::testing::Not(HasSubstr("\n")));
    return text;
  }
  test::TemporaryFolder folder_;
};

TEST_F(TuningFile, TakesZeroWhereAPresetIsZeroSoThatWhatTheTunerFindsCanBeWritten) {
  std::string all;
  std::size_t zeros = 0;
  for (const auto& spec : runtime::kernel_specs())
    for (const auto& tunable : spec.tunables) {
      const std::string entry =
          "{\"" + std::string(spec.name) + "\": {\"" + std::string(tunable.name) + "\": 0}}";
      if (tunable.cpu == 0 || tunable.gpu == 0) {
        EXPECT_EQ(read(entry).tunables.at(std::string(spec.name)).at(std::string(tunable.name)), 0) << entry;
        ++zeros;
      } else {
        EXPECT_THAT(refusal(entry), HasSubstr("at least 1"));
      }
    }
  EXPECT_GT(zeros, 0u);
}

TEST_F(TuningFile, RefusesValuesThatAreNone) {
  for (const char* value : {"-1", "1.5", "\"2\"", "null", "[1]", "1e3", "4294967297", "99999999999999999999"})
    EXPECT_THAT(refusal(std::string("{\"loss\": {\"VW\": ") + value + "}}"), HasSubstr("loss.VW is "))
        << value;
}

TEST_F(TuningFile, SaysWhatThisVersionDoesNotKnow) {
  const auto path = folder_.write(
      "y.json",
      R"({"tunables": {"removed": {"VW": 2}, "loss": {"VW": 2, "OLD": 3}}, "choices": {"gemm.engine": "own", "x": "y"}})");
  EXPECT_THAT(runtime::unknown_entries(path), ElementsAre("loss.OLD", "removed", "x"));
  EXPECT_THAT(runtime::unknown_text(path), HasSubstr("y.json: loss.OLD, removed, x: not known"));
  const auto data = read_tuning_file(path);
  EXPECT_EQ(data.tunables.size(), 1u);
  EXPECT_EQ(data.tunables.at("loss"), (runtime::TunedValues{{"VW", 2}}));
  EXPECT_EQ(data.choices.size(), 1u);
  EXPECT_THAT(runtime::unknown_text({}), IsEmpty()) << "presets";
}

/// The files that are shipped are of this version.
TEST(ShippedTuningFiles, AreKnownWhole) {
  for (const auto& entry : std::filesystem::directory_iterator(APIQ_SOURCE_DIR "/data/tuning"))
    if (entry.path().extension() == ".json") {
      EXPECT_THAT(runtime::unknown_entries(entry.path()), IsEmpty()) << entry.path();
    }
}

TEST_F(TuningFile, RefusesAnotherVersion) {
  EXPECT_NO_THROW(read("{}", ", \"version\": 1"));
  for (const char* version : {"2", "0", "\"1\"", "null"})
    EXPECT_THAT(refusal("{}", std::string(", \"version\": ") + version), HasSubstr("version 1, found "));
}

TEST_F(TuningFile, IsReadWithTheLimitsOfForeignJson) {
  EXPECT_THAT(refusal("{\"loss\": " + std::string(200, '[') + std::string(200, ']') + "}"),
              HasSubstr("nested"));
  EXPECT_THAT(refusal(R"({"loss": {"VW": 2, "VW": 4}})"), HasSubstr("twice"));
  EXPECT_THAT(refusal("{}", ", \"note\": \"" + std::string(2 << 20, 'x') + "\""), HasSubstr("x.json"));
  EXPECT_THAT(refusal("7"), HasSubstr("tunables: expected an object, found number"));
  EXPECT_THAT(refusal("{\"loss\": 7}"), HasSubstr("loss: expected an object, found number"));
}

}  // namespace
}  // namespace apiq
