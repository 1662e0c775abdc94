#include "util/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiq/error.hpp"
#include "support/scoped_variable.hpp"

namespace apiq {
namespace {

using test::ScopedVariable;
using ::testing::HasSubstr;

TEST(Environment, AnEmptyCacheFolderIsNotAnUnsetOne) {
  {
    const ScopedVariable none("APIQ_CACHE_DIR", nullptr);
    EXPECT_FALSE(Environment::read().cache_dir.has_value());
  }
  const ScopedVariable empty("APIQ_CACHE_DIR", "");
  EXPECT_EQ(Environment::read().cache_dir, "");
}

/// PoCL's parser ends the process at these.
TEST(Environment, BuildOptionsWithoutTheirValueAreRefused) {
  for (const char* options : {"-D", "-cl-opt-disable -D", "-I", "-D -cl-opt-disable", "-D A=1 -I -D B"}) {
    const ScopedVariable set("APIQ_BUILD_OPTIONS", options);
    try {
      Environment::read().check();
      ADD_FAILURE() << options;
    } catch (const InvalidArgument& error) {
      EXPECT_THAT(error.what(), HasSubstr("has no value")) << options;
    }
  }
  for (const char* options : {"", "-D A", "-DA=1 -I folder", "-D A=1 -cl-opt-disable", "-I folder -D B"}) {
    const ScopedVariable set("APIQ_BUILD_OPTIONS", options);
    EXPECT_NO_THROW(Environment::read().check()) << options;
    EXPECT_EQ(Environment::read().build_options, options);
  }
}

TEST(Environment, APresetIsThatOfADeviceClass) {
  for (const char* preset : {"", "cpu", "gpu"}) {
    const ScopedVariable set("APIQ_PRESET", preset);
    EXPECT_NO_THROW(Environment::read().check()) << preset;
  }
  const ScopedVariable set("APIQ_PRESET", "GPU");
  EXPECT_THROW(Environment::read().check(), InvalidArgument);
}

TEST(Environment, OnlyWhatCanChangeABitIsForTheRecord) {
  const ScopedVariable device("APIQ_DEVICE", "cpu"), gemm("APIQ_GEMM", "own"),
      pocl("POCL_WORK_GROUP_METHOD", "cbs"), threads("POCL_AFFINITY", "0");
  const auto recorded = Environment::read().changing_results();
  EXPECT_EQ(recorded.at("APIQ_GEMM"), "own");
  EXPECT_EQ(recorded.at("POCL_WORK_GROUP_METHOD"), "cbs");
  EXPECT_FALSE(recorded.contains("APIQ_DEVICE"));
  EXPECT_FALSE(recorded.contains("POCL_AFFINITY"));
}

}  // namespace
}  // namespace apiq
