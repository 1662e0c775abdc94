#include <cmath>

#include "report/plot/markup.hpp"
#include "report/plot/palette.hpp"
#include "report/plot/panels.hpp"

namespace apiq::plot {

namespace {

constexpr double kLogarithmicFrom = 20;
constexpr double kTextCell = 46;  // narrower cells show no number

struct ColourScale {
  Axis axis;  // over the pixels of the colour bar
  double bottom, height;
  double share(double value) const { return (bottom - axis.at(value)) / height; }
};

ColourScale scale_for(const Range& range, const Box& area) {
  const double top = area.y + 18, bottom = area.bottom();  // where draw_colour_bar puts the bar
  Axis axis = range.spans(kLogarithmicFrom) ? Axis::logarithmic(range, bottom, top, 7)
                                            : Axis::linear(range, bottom, top, 6);
  return {std::move(axis), bottom, bottom - top};
}

void draw_cell(Svg& svg, const Box& cell, double value, const std::string& name, const ColourScale* scale) {
  if (value == kLeftAsItIs) {
    svg.rect(cell, {.fill = "#ffffff", .stroke = "#c4c4c4", .width = 0.75}, name + ": left as it is");
    svg.line(cell.x, cell.bottom(), cell.right(), cell.y, {.stroke = "#c4c4c4", .width = 0.75});
    return;
  }
  if (scale == nullptr || !std::isfinite(value))
    return svg.rect(cell, {.fill = kNothing}, name + ": not recorded");
  const double share = value > 0 || !scale->axis.is_logarithmic() ? scale->share(value) : 0;
  svg.rect(cell, {.fill = scale_colour(share)}, name + ": " + number(value));
  if (cell.width < kTextCell) return;
  svg.text(cell.x + cell.width / 2, cell.y + cell.height / 2 + 4, number(value, 3),
           {.size = 11, .anchor = Anchor::middle, .fill = text_colour_on(share)});
}

}  // namespace

void draw_weight_error(Svg& svg, const Box& panel, const PlotData& data) {
  const Box area =
      draw_title(svg, panel, "Weight error of each linear",
                 "squared difference of stored weights with LoRA to the original over its square");
  if (data.kinds.empty()) return draw_message(svg, area, "not recorded");
  Range range;
  bool any_dense = false;
  for (const auto& row : data.weight_error) {
    for (const double value : row) {
      any_dense |= value == kLeftAsItIs;
      if (value != kLeftAsItIs) range.add(value);
    }
  }
  // Zero, a linear that rounding did not change, has no place on a logarithmic scale: it gets the lowest
  // colour.
  Range positive;
  for (const auto& row : data.weight_error)
    for (const double value : row)
      if (value > 0) positive.add(value);
  const ColourScale scale = scale_for(positive.spans(kLogarithmicFrom) ? positive : range, area);
  const BlockBands bands(area, data.blocks.size());
  const double height = area.height / static_cast<double>(data.kinds.size()), gap = bands.width() > 8 ? 1 : 0;
  for (std::size_t k = 0; k < data.kinds.size(); ++k) {
    const double y = area.y + height * static_cast<double>(k);
    svg.text(area.x - 7, y + height / 2 + 4, data.kinds[k], {.anchor = Anchor::end});
    for (std::size_t b = 0; b < data.blocks.size(); ++b)
      draw_cell(svg, {bands.left(b), y, bands.width() - gap, height - 1}, data.weight_error[k][b],
                "block " + std::to_string(data.blocks[b].index) + " " + data.kinds[k],
                range.empty() ? nullptr : &scale);
  }
  bands.draw_labels(svg, data.blocks);
  if (!range.empty())
    draw_colour_bar(svg, area, scale.axis, 0, 1, scale.axis.is_logarithmic() ? "error (log)" : "error");
  if (any_dense) draw_legend(svg, area.right() + 14, area.bottom() + 24, {{"#ffffff", "left as it is"}});
}

}  // namespace apiq::plot
