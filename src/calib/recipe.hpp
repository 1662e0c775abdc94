// Named sets of training settings: what stands for everything the user left open.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "quant/method.hpp"

namespace apiq::calib {

struct Recipe {
  std::string_view name, summary;
  std::uint32_t samples = 0;
  TrainOptions train;
  float repeated_weight_learning_rate = 0;  // of latent weights, where windows are seen more than once
};

/// The recipe of this name for a method. Throws InvalidArgument naming what there is.
Recipe find_recipe(std::string_view name, const quant::MethodTraits& traits);

}  // namespace apiq::calib
