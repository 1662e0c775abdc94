#include "calib/recipe.hpp"

#include "apiq/error.hpp"
#include "apiq/quantize.hpp"

namespace apiq::calib {

namespace {

constexpr std::uint32_t kPaperSamples = 128;

/// The authors' settings, which are the method's own.
Recipe paper(const quant::MethodTraits& traits) {
  return {"paper", "the authors' settings", kPaperSamples, traits.defaults, 0};
}

/// What docs/methods.md measured to be best at equal time and bytes.
Recipe best(const quant::MethodTraits& traits) {
  Recipe recipe{"best",
                "range of least squared error, CLoQ start, latent weights, cosine rates, many windows",
                4 * kPaperSamples, traits.defaults, 1e-4f};
  TrainOptions& train = recipe.train;
  train.epochs = 5;
  train.lora_learning_rate = 2e-3f;
  train.lora_weight_decay = 0;
  train.clip_learning_rate = 5e-3f;
  train.clip_weight_decay = 0.1f;
  train.weight_learning_rate = 2e-4f;
  train.schedule = Schedule::cosine;
  train.range_init = RangeInit::mse;
  train.lora_init = LoraInit::cloq;
  return recipe;
}

}  // namespace

Recipe find_recipe(std::string_view name, const quant::MethodTraits& traits) {
  if (name == "paper") return paper(traits);
  if (name == "best") return best(traits);
  throw InvalidArgument("[--recipe] there is no recipe '" + std::string(name) + "'; there are: paper, best");
}

}  // namespace apiq::calib

namespace apiq {

std::vector<RecipeInfo> list_recipes() {
  std::vector<RecipeInfo> out;
  for (const char* name : {"paper", "best"}) {
    const calib::Recipe recipe = calib::find_recipe(name, {});
    out.push_back({std::string(recipe.name), std::string(recipe.summary)});
  }
  return out;
}

}  // namespace apiq
