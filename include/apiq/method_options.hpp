// What each quantization method can be told, one struct a method. Fields that methods share are in a base.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "apiq/fields.hpp"

namespace apiq {

/// Where clipping starts: the whole range, or the shrink with the least squared error.
enum class RangeInit { minmax, mse };
constexpr std::array<std::string_view, 2> names_of(RangeInit) { return {"minmax", "mse"}; }

/// Where LoRA starts: A random and B zero, or B A = what rounding lost, plain or weighted.
enum class LoraInit { kaiming, svd, svd_saliency, cloq };
constexpr std::array<std::string_view, 4> names_of(LoraInit) {
  return {"kaiming", "svd", "svd-saliency", "cloq"};
}

/// Of all learning rates; cosine falls to 2 %.
enum class Schedule { constant, cosine };
constexpr std::array<std::string_view, 2> names_of(Schedule) { return {"constant", "cosine"}; }

/// A low-rank adapter beside every linear.
struct LoraOptions {
  std::uint32_t rank = 64;  // 0 = no LoRA; at most the smaller side of every matrix
  float alpha = 16;         // scaling = alpha / rank

  template <class Visit>
  static void fields(Visit&& visit) {
    constexpr auto kKept = Recorded::in_identity;
    visit(&LoraOptions::rank, Field{.name = "rank",
                                    .placeholder = "N",
                                    .help = "LoRA rank; 0 = no LoRA",
                                    .group = "Method",
                                    .recorded = kKept});
    visit(&LoraOptions::alpha, Field{.name = "alpha",
                                     .placeholder = "X",
                                     .help = "LoRA scaling is alpha / rank",
                                     .group = "Method",
                                     .recorded = kKept,
                                     .range = {.above_least = true}});
  }
};

/// Training of clipping factors, LoRA and latent weights. What is left open is the recipe's.
struct TrainOptions {
  std::string recipe = "best";      // a name of list_recipes()
  Open<std::uint32_t> epochs = {};  // 0 = only the start values
  std::uint32_t batch_size = 1;     // samples a step
  Open<float> lora_learning_rate = {}, clip_learning_rate = {}, lora_weight_decay = {},
              clip_weight_decay = {};
  Open<float> weight_learning_rate =
      {};  // of latent weights, trained straight-through and thrown away; 0 = none
  Open<RangeInit> range_init = {};
  Open<LoraInit> lora_init = {};
  Open<Schedule> schedule = {};
  float early_stop = 0;  // end when an epoch lowers the loss by less than this share; 0 = never

  template <class Visit>
  static void fields(Visit&& visit) {
    using T = TrainOptions;
    const auto option = [&](auto member, std::string_view name, std::string_view placeholder,
                            std::string_view help, Range range = {}) {
      constexpr bool kOpen = kIsOpen<std::remove_cvref_t<decltype(std::declval<T>().*member)>>;
      visit(member, Field{.name = name,
                          .placeholder = placeholder,
                          .help = help,
                          .group = "Calibration training",
                          .default_words = kOpen ? "the recipe's" : "",
                          .recorded = Recorded::in_identity,
                          .range = range});
    };
    option(&T::recipe, "recipe", "NAME", "defaults of what is left open: paper or best");
    option(&T::epochs, "epochs", "N",
           "passes over the samples, per linear or block; 0 = only the start values");
    option(&T::batch_size, "batch-size", "N", "sequences per step", {.least = 1});
    option(&T::lora_learning_rate, "lora-learning-rate", "X", "AdamW learning rate of lora_A and lora_B");
    option(&T::clip_learning_rate, "clip-learning-rate", "X", "AdamW learning rate of the clipping factors");
    option(&T::lora_weight_decay, "lora-weight-decay", "X", "decoupled weight decay of lora_A and lora_B");
    option(&T::clip_weight_decay, "clip-weight-decay", "X", "decoupled weight decay of the clipping factors");
    option(&T::weight_learning_rate, "train-weights", "RATE",
           "learning rate of latent weights, thrown away at the end; 0 = none");
    option(&T::range_init, "range-init", "", "where clipping starts");
    option(&T::lora_init, "lora-init", "", "where LoRA starts");
    option(&T::schedule, "schedule", "", "of all learning rates");
    option(&T::early_stop, "early-stop", "SHARE",
           "end a block when an epoch lowers its loss by less than this share; 0 = never");
  }
};

/// Block by block: LoRA and clipping of a whole decoder block against its full-precision output.
struct ApiqBwOptions : LoraOptions, TrainOptions {
  static constexpr std::string_view kName = "apiq-bw";
  bool aug_loss = false;  // also against the block's own output on the quantized stream

  template <class Visit>
  static void fields(Visit&& visit) {
    LoraOptions::fields(visit);
    TrainOptions::fields(visit);
    visit(&ApiqBwOptions::aug_loss,
          Field{.name = "aug-loss",
                .help = "apiq-bw: also match the block's own output on the quantized stream",
                .group = "Calibration training",
                .recorded = Recorded::in_identity});
  }
};

/// Layer by layer: LoRA and clipping of each linear against its full-precision output.
struct ApiqLwOptions : LoraOptions, TrainOptions {
  static constexpr std::string_view kName = "apiq-lw";
  bool gram = false;  // full-batch steps on second moments of the inputs

  template <class Visit>
  static void fields(Visit&& visit) {
    LoraOptions::fields(visit);
    TrainOptions::fields(visit);
    visit(&ApiqLwOptions::gram, Field{.name = "gram",
                                      .help = "apiq-lw: full-batch steps on second moments of the inputs",
                                      .group = "Calibration training",
                                      .recorded = Recorded::in_identity});
  }
};

/// Rounding to the nearest code: nothing to choose.
struct RtnOptions {
  static constexpr std::string_view kName = "rtn";
  template <class Visit>
  static void fields(Visit&&) {}
};

/// The method is the alternative that is held.
using MethodOptions = std::variant<ApiqBwOptions, ApiqLwOptions, RtnOptions>;

inline std::string_view name_of(const MethodOptions& method) {
  return std::visit([](const auto& options) { return options.kName; }, method);
}

/// The method's defaults. Throws InvalidArgument naming what there is.
MethodOptions method_options(std::string_view name);

/// What the method knows of this kind (LoraOptions, TrainOptions, or a method's own): nullptr if nothing.
template <class Part>
const Part* part_of(const MethodOptions& method) {
  return std::visit(
      [](const auto& options) -> const Part* {
        if constexpr (std::is_base_of_v<Part, std::remove_cvref_t<decltype(options)>>) return &options;
        else return nullptr;
      },
      method);
}
template <class Part>
Part* part_of(MethodOptions& method) {
  return const_cast<Part*>(part_of<Part>(std::as_const(method)));
}

/// Rank 0 for a method without LoRA.
inline LoraOptions lora_of(const MethodOptions& method) {
  const auto* lora = part_of<LoraOptions>(method);
  return lora != nullptr ? *lora : LoraOptions{.rank = 0};
}
/// No epochs for a method that does not train.
inline TrainOptions train_of(const MethodOptions& method) {
  const auto* train = part_of<TrainOptions>(method);
  return train != nullptr ? *train : TrainOptions{};
}

}  // namespace apiq
