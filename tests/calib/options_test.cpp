// What a checkpoint and a work directory record of a run's options: the same keys and values in every
// version, or an unfinished run would not be gone on with.
#include "calib/options.hpp"

#include <gtest/gtest.h>

#include "quant/method.hpp"

namespace apiq {
namespace {

using nlohmann::json;

/// Recorded for a model of 512 positions.
json recorded(const QuantizeOptions& asked) {
  ModelConfig config;
  config.max_position_embeddings = 512;
  const auto traits = quant::make_method(asked.method)->traits();
  return calib::options_json(calib::resolve_options(asked, traits, config));
}

TEST(OptionsJson, RoundingKeepsNothingOfTraining) {
  QuantizeOptions o;
  o.method = RtnOptions();
  EXPECT_EQ(recorded(o), json::parse(R"({"method": "rtn", "bits": 2, "group_size": 64, "symmetric": false,
                                         "rank": 0, "alpha": 16.0, "seed": 0})"));
  o.calibration = {"text.txt"};
  o.modules = {"q_proj"};
  o.overrides = {parse_override("q_proj=bits:8,rank:4")};
  EXPECT_EQ(recorded(o), json::parse(R"({"method": "rtn", "bits": 2, "group_size": 64, "symmetric": false,
      "rank": 0, "alpha": 16.0, "seed": 0, "modules": ["q_proj"], "overrides": ["q_proj=bits:8"],
      "samples": 512, "sequence_length": 512, "text_field": "text"})"));
}

TEST(OptionsJson, TrainingKeepsWhatTheRecipeDecided) {
  QuantizeOptions o;
  o.calibration = {"text.txt"};
  ApiqBwOptions method;
  method.recipe = "paper";
  method.batch_size = 2;
  o.method = method;
  const json paper = json::parse(R"({"method": "apiq-bw", "bits": 2, "group_size": 64, "symmetric": false,
      "rank": 64, "alpha": 16.0, "seed": 0, "samples": 128, "sequence_length": 512, "text_field": "text",
      "recipe": "paper", "epochs": 20, "batch_size": 2, "lora_learning_rate": 0.0005000000237487257,
      "clip_learning_rate": 0.004999999888241291, "lora_weight_decay": 0.10000000149011612,
      "clip_weight_decay": 0.10000000149011612, "train_weights": 0.0, "schedule": "constant",
      "range_init": "minmax", "lora_init": "kaiming", "aug_loss": false, "gram": false, "early_stop": 0.0})");
  EXPECT_EQ(recorded(o), paper);
}

TEST(OptionsJson, LatentWeightsAreTrainedSlowerWhereWindowsAreSeenAgain) {
  QuantizeOptions o;
  o.calibration = {"text.txt"};
  ApiqLwOptions method;
  method.gram = true;
  o.method = method;
  const json repeated = recorded(o);
  EXPECT_EQ(repeated.at("epochs"), 5);
  EXPECT_FLOAT_EQ(repeated.at("train_weights").get<float>(), 1e-4f);
  EXPECT_EQ(repeated.at("lora_init"), "cloq");
  EXPECT_EQ(repeated.at("gram"), true);
  method.epochs = 1;
  o.method = method;
  EXPECT_FLOAT_EQ(recorded(o).at("train_weights").get<float>(), 2e-4f);
  method.weight_learning_rate = 0.0f;
  o.method = method;
  EXPECT_EQ(recorded(o).at("train_weights"), 0.0);
}

}  // namespace
}  // namespace apiq
