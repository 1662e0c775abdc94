// The parts of a quantization that are timed and planned, and their names in results, reports and traces.
#pragma once
#include <array>
#include <cstddef>
#include <string_view>

namespace apiq {

/// In the order in which a run passes them; all but the first and the last once for each block.
enum class Phase {
  embed,    // samples become the first block's inputs
  load,     // a block's weights come to the device
  targets,  // what the block, or a linear, should give
  start,    // start values: ranges, LoRA
  train,
  store,    // packing
  advance,  // both streams pass the block
  files,    // checks, hashes, the checkpoint
};

inline constexpr std::array<std::string_view, 8> kPhaseNames = {"embed", "load",  "targets", "start",
                                                                "train", "store", "advance", "files"};

constexpr std::string_view name_of(Phase phase) { return kPhaseNames[static_cast<std::size_t>(phase)]; }

}  // namespace apiq
