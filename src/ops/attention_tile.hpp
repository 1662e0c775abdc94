// What the launchers of the tiled attention kernels know of cl/lib/attention_tile.h.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "apiq/error.hpp"
#include "runtime/tuning.hpp"

namespace apiq::ops {

/// Rows (or keys) a work-group owns.
inline std::uint64_t own_elements(const runtime::Macros& tuned) {
  using runtime::value_of;
  return static_cast<std::uint64_t>(value_of(tuned, "TR") * value_of(tuned, "RB") * value_of(tuned, "VW"));
}

/// Work-items of a work-group.
inline std::size_t tile_items(const runtime::Macros& tuned) {
  return static_cast<std::size_t>(runtime::value_of(tuned, "TR") * runtime::value_of(tuned, "TD"));
}

/// Bytes of local memory a tile takes, and `per_element` more for each of its own and other elements.
inline std::uint64_t tile_bytes(const runtime::Macros& tuned, int head_dim, int per_element) {
  using runtime::value_of;
  const int vw = value_of(tuned, "VW"), td = value_of(tuned, "TD"), bk = value_of(tuned, "BK"),
            own = static_cast<int>(own_elements(tuned));
  const auto rounded_up = [vw](int n) { return (n + vw - 1) / vw * vw; };
  const int chunk = std::min(value_of(tuned, "DS"), head_dim), item_dims = (head_dim + td - 1) / td,
            block = std::min(item_dims, value_of(tuned, "DC"));
  const int scores = td * value_of(tuned, "KC") * (rounded_up(chunk) + 1);
  const int sums =
      value_of(tuned, "VS") * rounded_up(std::max(head_dim, td * ((item_dims + block - 1) / block * block)));
  return static_cast<std::uint64_t>(4 * (chunk * own + bk * own + td * own + std::max(scores, sums)) +
                                    per_element * (own + bk));
}

/// Large heads do not leave room for the preset's tile: fewer others summed at once then, and fewer own
/// elements if that is not enough. Throws Unsupported if the smallest tile does not fit.
inline void shrink_tile(std::string_view op, runtime::Macros& tuned, int head_dim, int per_element,
                        std::uint64_t limit) {
  for (const std::string_view name : {"VS", "TR", "RB"}) {
    int& value = std::find_if(tuned.begin(), tuned.end(), [&](const auto& macro) {
                   return macro.first == name;
                 })->second;
    while (tile_bytes(tuned, head_dim, per_element) > limit && value % 2 == 0) value /= 2;
  }
  const std::uint64_t bytes = tile_bytes(tuned, head_dim, per_element);
  if (bytes > limit)
    throw Unsupported("[" + std::string(op) + "] head_dim " + std::to_string(head_dim) + " needs " +
                      std::to_string(bytes) + " bytes of local memory, the device has " +
                      std::to_string(limit) + "; choose another device");
}

}  // namespace apiq::ops
