// What the panels draw, gathered once: blocks in order, weight errors as a matrix, and what the run knew of
// each block.
#pragma once
#include <string>
#include <vector>

#include "apiq/plot.hpp"

namespace apiq::plot {

/// NaN in a matrix: nothing is known. kLeftAsItIs: a linear that was not quantized, so there is no error to
/// show.
inline constexpr double kLeftAsItIs = -1;

struct PlotData {
  std::string title, subtitle;
  std::vector<BlockReport> blocks;                // of the checkpoint, by index
  std::vector<std::string> kinds;                 // "q_proj", ..., in the order of a block
  std::vector<std::vector<double>> weight_error;  // [kind][block]
  std::vector<const BlockReport*> run;  // [block]; null: not recorded. Into the record that was given
  const RunRecord* record = nullptr;
};

/// The data refer to `run`. Throws Unsupported if there is nothing to draw, FormatError.
PlotData plot_data(const FileSummary& checkpoint, const RunRecord* run);

/// "model.layers.3.mlp.up_proj" -> "up_proj".
std::string kind_of(const std::string& linear);

}  // namespace apiq::plot
