// --modules and --override: which names patterns match, what wins, and texts for what does not fit.
#include "calib/linear_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiq/error.hpp"
#include "family/pre_norm_block.hpp"
#include "family/tensor_names.hpp"
#include "support/errors.hpp"

namespace apiq {
namespace {

using calib::check_patterns;
using calib::matches;
using calib::settings_of;
using test::error_text;
using testing::HasSubstr;

const std::string kDown = "model.layers.11.mlp.down_proj";

TEST(Patterns, MatchWholeNamesAndTheirEnds) {
  for (const char* pattern :
       {"model.layers.11.mlp.down_proj", "*", "*.down_proj", "model.layers.*.mlp.*", "model.layers.1[01].*",
        "*layers.1?.*down*", "down_proj", "mlp.down_proj", "mlp.*", "layers.11.*", "down_*"})
    EXPECT_TRUE(matches(pattern, kDown)) << pattern;
  for (const char* pattern :
       {"", "down", "proj", "own_proj", "model", "mlp", "model.layers.1.*", "1.mlp.down_proj",
        "layers.1[2-9].*", "Down_proj", "down_proj.weight", "[", "down_proj "})
    EXPECT_FALSE(matches(pattern, kDown)) << pattern;
}

TEST(Settings, AreTheOptionsUnlessAnOverrideNamesTheLinear) {
  QuantizeOptions options;
  options.bits = 2;
  options.group_size = 64;
  std::get<ApiqBwOptions>(options.method).rank = 16;
  options.overrides = {parse_override("mlp.*=bits:4,rank:0"),
                       parse_override("model.layers.1?.*=group-size:row"),
                       parse_override("down_proj=bits:3")};
  const auto q = settings_of(options, "model.layers.0.self_attn.q_proj", 256);
  EXPECT_TRUE(q.quantize);
  EXPECT_EQ(std::tie(q.bits, q.group_size, q.rank), std::make_tuple(2u, 64u, 16u));
  const auto up = settings_of(options, "model.layers.0.mlp.up_proj", 256);
  EXPECT_EQ(std::tie(up.bits, up.group_size, up.rank), std::make_tuple(4u, 64u, 0u));
  const auto down =
      settings_of(options, kDown, 688);  // the last override wins for bits, the others still count
  EXPECT_EQ(std::tie(down.bits, down.group_size, down.rank), std::make_tuple(3u, 688u, 0u));
  std::swap(options.overrides.front(), options.overrides.back());
  EXPECT_EQ(settings_of(options, kDown, 688).bits, 4u);
}

TEST(Settings, ModulesNameWhatIsQuantized) {
  QuantizeOptions options;
  options.group_size = 0;
  EXPECT_EQ(settings_of(options, kDown, 688).group_size, 688u);
  options.modules = {"q_proj", "mlp.down_proj"};
  EXPECT_TRUE(settings_of(options, "model.layers.3.self_attn.q_proj", 256).quantize);
  EXPECT_TRUE(settings_of(options, kDown, 688).quantize);
  EXPECT_FALSE(settings_of(options, "model.layers.3.self_attn.k_proj", 256).quantize);
  options.modules = {"model.layers.[1-9]*.*"};
  EXPECT_FALSE(settings_of(options, "model.layers.0.self_attn.q_proj", 256).quantize);
  EXPECT_TRUE(settings_of(options, kDown, 688).quantize);
}

TEST(Settings, PatternsThatMatchNothingAreRefused) {
  ModelConfig config;
  config.num_hidden_layers = 6;
  config.block = pre_norm_block(config);
  const auto names = linear_names(config);
  ASSERT_EQ(names.size(), 42u);
  EXPECT_EQ(names[7], "model.layers.1.self_attn.q_proj");
  QuantizeOptions options;
  options.modules = {"q_proj", "mlp.*"};
  options.overrides = {parse_override("*=bits:3")};
  EXPECT_NO_THROW(check_patterns(options, names));
  options.modules.push_back("query_proj");
  EXPECT_EQ(error_text<InvalidArgument>([&] { check_patterns(options, names); }),
            "[--modules] 'query_proj' matches no linear; there are self_attn.q_proj, self_attn.k_proj, "
            "self_attn.v_proj, self_attn.o_proj, "
            "mlp.gate_proj, mlp.up_proj, mlp.down_proj in model.layers.0 to model.layers.5");
  options.modules.pop_back();
  options.overrides.push_back(parse_override("model.layers.6.*=bits:3"));
  EXPECT_THAT(error_text<InvalidArgument>([&] { check_patterns(options, names); }),
              HasSubstr("[--override] 'model.layers.6.*' matches no linear"));
}

TEST(Settings, OverridesOfLinearsThatAreNotQuantizedAreRefused) {
  const std::vector<std::string> names = {"model.layers.0.self_attn.q_proj",
                                          "model.layers.0.self_attn.v_proj", "model.layers.0.mlp.down_proj"};
  QuantizeOptions options;
  options.modules = {"q_proj", "mlp.*"};
  options.overrides = {parse_override("down_proj=bits:3"), parse_override("self_attn.*=rank:4")};
  EXPECT_NO_THROW(check_patterns(options, names));
  options.overrides.push_back(parse_override("v_proj=bits:4"));
  EXPECT_EQ(
      error_text<InvalidArgument>([&] { check_patterns(options, names); }),
      "[--override] 'v_proj' matches only linears that --modules leaves as they are; name them there, too");
}

TEST(ParseOverride, ReadsEverySettingAndWritesItBack) {
  const ModuleOverride all = parse_override("*.down_proj=bits:4,group-size:128,rank:32");
  EXPECT_EQ(all.pattern, "*.down_proj");
  EXPECT_EQ(all.bits, 4u);
  EXPECT_EQ(all.group_size, 128u);
  EXPECT_EQ(all.rank, 32u);
  const ModuleOverride row = parse_override("q_proj=group-size:row");
  EXPECT_EQ(row.group_size, 0u);
  EXPECT_FALSE(row.bits || row.rank);
  EXPECT_EQ(parse_override("a=rank:0").rank, 0u);
  for (const char* text :
       {"*.down_proj=bits:4,group-size:128,rank:32", "q_proj=group-size:row", "mlp.*=rank:0"})
    EXPECT_EQ(override_text(parse_override(text)), text);
}

TEST(ParseOverride, SaysWhatIsWrong) {
  const auto refusal = [](const char* text) {
    return error_text<InvalidArgument>([&] { parse_override(text); });
  };
  EXPECT_EQ(refusal("down_proj"),
            "[--override] 'down_proj': has no '='; expected PATTERN=bits:N,group-size:N|row,rank:N, each "
            "setting optional");
  EXPECT_THAT(refusal("=bits:4"), HasSubstr("has no pattern before '='"));
  EXPECT_THAT(refusal("a="), HasSubstr("'' has no ':'"));
  EXPECT_THAT(refusal("a=bits:4,"), HasSubstr("'' has no ':'"));
  EXPECT_THAT(refusal("a=bits=4"), HasSubstr("'bits=4' has no ':'"));
  EXPECT_THAT(refusal("a=group_size:64"), HasSubstr("'group_size' is not one of bits, group-size, rank"));
  EXPECT_THAT(refusal("a=bits:4,bits:3"), HasSubstr("bits occurs twice"));
  for (const char* text :
       {"a=rank:x", "a=rank:", "a=rank:-1", "a=rank:1.5", "a=rank: 1", "a=rank:4294967296", "a=bits:row"})
    EXPECT_THAT(refusal(text), HasSubstr("not a whole number")) << text;
  for (const char* text : {"a=bits:0", "a=bits:1", "a=bits:5", "a=bits:16"})
    EXPECT_THAT(refusal(text), HasSubstr("bits must be 2, 3, 4 or 8")) << text;
  EXPECT_THAT(refusal("a=group-size:0"), HasSubstr("at least 1, or 'row'"));
}

}  // namespace
}  // namespace apiq
