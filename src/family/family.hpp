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
  // What holds where config.json has no such key.
  std::uint32_t kv_heads = 0;           // num_key_value_heads; 0: all heads
  std::uint32_t head_dim = 0;           // 0: hidden_size / num_attention_heads
  std::uint32_t window = 0;             // sliding_window; 0: none
  bool use_window = true;               // use_sliding_window
  std::uint32_t max_window_layers = 0;  // layers before this one have no window; 0: all have one
};

/// Every family there is.
std::span<const Family* const> families();

}  // namespace apiq
