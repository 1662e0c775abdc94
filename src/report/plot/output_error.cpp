#include <cmath>

#include "report/plot/markup.hpp"
#include "report/plot/palette.hpp"
#include "report/plot/panels.hpp"

namespace apiq::plot {

namespace {

// Up to here a linear axis from zero shows differences better, and honestly.
constexpr double kLogarithmicFrom = 10;

Axis axis_for(const Range& range, const Box& area) {
  return range.spans(kLogarithmicFrom) ? Axis::logarithmic(range, area.bottom(), area.y, 13)
                                       : Axis::linear(range, area.bottom(), area.y, 7, true);
}

}  // namespace

void draw_output_error(Svg& svg, const Box& panel, const PlotData& data) {
  const Box area = draw_title(
      svg, panel, "Relative output error of each block",
      "squared difference to the original model's output over its square, on the calibration text");
  Range range;
  for (const BlockReport& block : data.blocks) range.add(block.relative_error);
  if (range.empty()) return draw_message(svg, area, "not measured: there was no calibration text");
  const Axis axis = axis_for(range, area);
  draw_y_axis(svg, area, axis, axis.is_logarithmic() ? "relative error (log scale)" : "relative error");
  const BlockBands bands(area, data.blocks.size());
  bands.draw_labels(svg, data.blocks);

  const auto measured = [](double error) { return std::isfinite(error) && error >= 0; };
  std::vector<std::pair<double, double>> line;  // through neighbours that were measured; a gap ends it
  for (std::size_t i = 0; i <= data.blocks.size(); ++i) {
    if (i < data.blocks.size() && measured(data.blocks[i].relative_error)) {
      line.emplace_back(bands.centre(i), axis.at(data.blocks[i].relative_error));
      continue;
    }
    svg.polyline(line, {.stroke = category_colour(0), .width = 1.5});
    line.clear();
  }
  for (std::size_t i = 0; i < data.blocks.size(); ++i) {
    const double error = data.blocks[i].relative_error;
    if (!measured(error)) continue;
    svg.circle(bands.centre(i), axis.at(error), data.blocks.size() > 40 ? 2.5 : 3.5,
               {.fill = category_colour(0)},
               "block " + std::to_string(data.blocks[i].index) + ": " + number(error));
  }
}

}  // namespace apiq::plot
