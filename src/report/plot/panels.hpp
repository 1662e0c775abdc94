// The four pictures, each drawn into a box of kPanelWidth x kPanelHeight.
#pragma once
#include "report/plot/frame.hpp"
#include "report/plot/plot_data.hpp"

namespace apiq::plot {

/// |output of the quantized block - of the original|^2 / |original|^2 on the calibration data, for every
/// block.
void draw_output_error(Svg& svg, const Box& panel, const PlotData& data);

/// Weight error of every linear: a row for each of the seven, a column for each block.
void draw_weight_error(Svg& svg, const Box& panel, const PlotData& data);

/// Loss over the steps, smoothed, relative to the block's first; over the epochs where the report holds no
/// steps. A line for each block.
void draw_losses(Svg& svg, const Box& panel, const PlotData& data);

/// Seconds of each block by phase, stacked, above the peaks of device and host memory up to that block.
void draw_time_and_memory(Svg& svg, const Box& panel, const PlotData& data);

}  // namespace apiq::plot
