// Names of enumerated options, as programs take them and files record them.
#pragma once
#include <string_view>

#include "apiq/device.hpp"
#include "apiq/quantize.hpp"

namespace apiq {

constexpr std::string_view name_of(RangeInit value) { return value == RangeInit::mse ? "mse" : "minmax"; }
constexpr std::string_view name_of(Schedule value) {
  return value == Schedule::cosine ? "cosine" : "constant";
}
constexpr std::string_view name_of(Compute value) {
  switch (value) {
    case Compute::automatic: return "auto";
    case Compute::f32: return "f32";
    case Compute::bf16: return "bf16";
    case Compute::f16: return "f16";
  }
  return "?";
}
constexpr std::string_view name_of(LoraInit value) {
  switch (value) {
    case LoraInit::kaiming: return "kaiming";
    case LoraInit::svd: return "svd";
    case LoraInit::svd_saliency: return "svd-saliency";
    case LoraInit::cloq: return "cloq";
  }
  return "?";
}

}  // namespace apiq
