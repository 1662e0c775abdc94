// What distinguishes one model family from another, as data: a file and a row for each.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "family/block_spec.hpp"
#include "family/model_config.hpp"

namespace apiq {

struct Family {
  std::string_view architecture, model_type;  // config.json: architectures[0], model_type
  BlockSpec (*block)(const ModelConfig&);
  std::uint32_t kv_heads = 0;  // num_key_value_heads where config.json has no such key; 0: all heads
  std::uint32_t window = 0;    // sliding_window where config.json has no such key; 0: none
};

/// Every family there is.
std::span<const Family* const> families();

}  // namespace apiq
