// apiq-generate when it is asked to stop: at once, with its status, and without a result that looks complete.
#include "e2e/fixture.hpp"

namespace apiq::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Generate, StopsOnBothSignalsAndLeavesNoResult) {
  const Folder folder;
  for (const int signal : {SIGINT, SIGTERM})
    for (const std::string temperature : {"0", "0.8"}) {
      RunOptions options;
      options.interrupt_at = "device: ";
      options.signal = signal;
      const Outcome outcome =
          run("apiq-generate",
              {"--model", kModel.string(), "--prompt", "The door", "--max-tokens", "500", "--ignore-eos",
               "--temperature", temperature, "--json", (folder / "result.json").string()},
              options);
      EXPECT_EQ(outcome.status, 130) << outcome.err;
      EXPECT_THAT(lines(outcome.err).back(), HasSubstr("apiq-generate: interrupted"));
      EXPECT_LT(outcome.seconds_after_interrupt, 20);
      EXPECT_THAT(folder.names(), IsEmpty());
    }
}

}  // namespace
}  // namespace apiq::testing
