#include "apiq/generate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "apiq/error.hpp"
#include "cases/public_device.hpp"
#include "generate/sampler.hpp"
#include "support/paths.hpp"
#include "util/atomic_file.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using generate_detail::Sampler;

const fs::path kStories = fs::path(APIQ_SOURCE_DIR) / ".." / "shared" / "data" / "stories260k";
const fs::path kNovels = fs::path(APIQ_SOURCE_DIR) / "data" / "novels-6m";

TEST(Generate, TwoHundredGreedyTokensFromBosAreTheKnownText) {
  if (!fs::exists(kStories)) GTEST_SKIP() << "needs " << kStories;
  Model model = Model::load(testing::public_device(), kStories / "hf");
  GenerateOptions options;
  options.max_tokens = 200;
  std::string streamed;
  const auto result = generate(model, options, [&](const std::string& text) { streamed += text; });
  EXPECT_EQ(result.text, read_file(kStories / "expected_greedy_200.txt"));
  EXPECT_EQ(streamed, result.text);
  EXPECT_EQ(result.tokens, 200u);
}

TEST(Generate, SamplingRepeatsWithItsSeedAndOnlyThen) {
  Model model = Model::load(testing::public_device(), kNovels);
  GenerateOptions options;
  options.prompt = "The door opened and";
  options.max_tokens = 24;
  options.temperature = 0.9f;
  options.top_p = 0.95f;
  options.seed = 7;
  const auto first = generate(model, options).text;
  EXPECT_EQ(generate(model, options).text, first);
  options.seed = 8;
  EXPECT_NE(generate(model, options).text, first);
}

TEST(Generate, FillsTheContextToItsLastPositionAndNotPastIt) {
  Model model = Model::load(testing::public_device(), kNovels);
  GenerateOptions options;
  for (int i = 0; i < 160; ++i) options.prompt += "and so on ";
  options.ignore_eos = true;
  options.max_tokens = 1;
  const auto prompt_tokens = generate(model, options).prompt_tokens;
  ASSERT_LT(prompt_tokens, 512u);
  options.max_tokens = static_cast<std::uint32_t>(513 - prompt_tokens);
  EXPECT_EQ(generate(model, options).tokens, options.max_tokens);
  ++options.max_tokens;
  EXPECT_THROW(generate(model, options), InvalidArgument);
}

TEST(Sampler, GreedyTakesTheLowestIndexOfTheLargest) {
  Sampler sampler(GenerateOptions{});
  EXPECT_EQ(sampler.choose(std::vector<float>{1, 5, 2, 5}), 1);
}

std::map<std::int32_t, int> draws(GenerateOptions options, const std::vector<float>& logits, int count) {
  Sampler sampler(options);
  std::map<std::int32_t, int> out;
  for (int i = 0; i < count; ++i) ++out[sampler.choose(logits)];
  return out;
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  GenerateOptions options;
  options.temperature = 1;
  auto all = draws(options, logits, 20000);
  // Standard deviation of a share is below 0.0036; five of them.
  EXPECT_NEAR(all[0] / 20000.0, 0.5, 0.018);
  EXPECT_NEAR(all[3] / 20000.0, 0.05, 0.018);
  options.top_k = 2;
  EXPECT_EQ(draws(options, logits, 2000).size(), 2u);
  options.top_k = 0;
  options.top_p = 0.79f;  // 0.5 is not enough, 0.8 is
  EXPECT_EQ(draws(options, logits, 2000).size(), 2u);
  options.top_p = 1;
  options.temperature = 0.5f;  // squares the odds: 0.25 : 0.09 : 0.0225 : 0.0025
  EXPECT_NEAR(draws(options, logits, 20000)[0] / 20000.0, 0.25 / 0.365, 0.018);
}

TEST(Sampler, RefusesLogitsThatAreNotFinite) {
  GenerateOptions options;
  EXPECT_THROW(Sampler(options).choose(std::vector<float>{1, std::nanf(""), 2}), Error);
  options.temperature = 1;
  EXPECT_THROW(Sampler(options).choose(std::vector<float>{1, INFINITY, 2}), Error);
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  GenerateOptions options;
  options.temperature = -1;
  EXPECT_THROW(Sampler{options}, InvalidArgument);
  options.temperature = 1;
  options.top_p = 0;
  EXPECT_THROW(Sampler{options}, InvalidArgument);
}

}  // namespace
}  // namespace apiq
