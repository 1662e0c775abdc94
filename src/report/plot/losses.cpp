#include <algorithm>
#include <cmath>

#include "report/plot/markup.hpp"
#include "report/plot/palette.hpp"
#include "report/plot/panels.hpp"

namespace apiq::plot {

namespace {

constexpr double kLogarithmicFrom = 10;
constexpr std::size_t kNamedBlocks = 12;  // more get a colour bar
constexpr double kFirst = 0.15,
                 kLast = 1.0;  // of the colour scale: the yellow end is too pale for a line on white

struct Curve {
  const BlockReport* block;
  std::string colour;
  std::vector<double> relative;  // loss over the first epoch's
};

std::string colour_of(std::size_t i, std::size_t count) {
  const double share = count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 1;
  return scale_colour(kFirst + (kLast - kFirst) * share);
}

std::vector<Curve> curves_of(const PlotData& data) {
  std::vector<Curve> out;
  for (std::size_t i = 0; i < data.blocks.size(); ++i) {
    const BlockReport& block = data.blocks[i];
    if (block.losses.empty() || !(block.losses.front() > 0)) continue;
    Curve curve = {&block, colour_of(i, data.blocks.size()), {}};
    for (const double loss : block.losses) curve.relative.push_back(loss / block.losses.front());
    out.push_back(std::move(curve));
  }
  return out;
}

void draw_epochs(Svg& svg, const Box& area, const Axis& x) {
  for (const double tick : x.ticks()) {
    svg.line(x.at(tick), area.bottom(), x.at(tick), area.bottom() + 4, {.stroke = kInk});
    svg.text(x.at(tick), area.bottom() + 18, x.label(tick), {.anchor = Anchor::middle});
  }
  svg.text(area.x + area.width / 2, area.bottom() + 37, "epoch", {.anchor = Anchor::middle});
}

void draw_curve(Svg& svg, const Curve& curve, const Axis& x, const Axis& y) {
  const std::string name = "block " + std::to_string(curve.block->index) + ": " +
                           number(curve.block->losses.front()) + " to " + number(curve.block->losses.back()) +
                           " in " + std::to_string(curve.relative.size()) + " epochs";
  std::vector<std::pair<double, double>> points, ends;
  const auto draw_points = [&] {
    svg.polyline(points, {.stroke = curve.colour, .width = 1.75}, name);
    if (!points.empty()) ends.push_back(points.back());
    points.clear();
  };
  for (std::size_t e = 0; e < curve.relative.size(); ++e) {
    const double value = curve.relative[e];
    if (std::isfinite(value) && (value > 0 || !y.is_logarithmic()))
      points.emplace_back(x.at(static_cast<double>(e + 1)), y.at(value));
    else draw_points();  // a gap where the loss was no number
  }
  draw_points();
  for (const auto& [px, py] : ends) svg.circle(px, py, 2.5, {.fill = curve.colour}, name);
}

void draw_names(Svg& svg, const Box& area, const PlotData& data, const std::vector<Curve>& curves) {
  if (curves.size() > kNamedBlocks) {
    Range blocks;
    for (const BlockReport& block : data.blocks) blocks.add(block.index);
    draw_colour_bar(svg, area, Axis::exact(blocks, area.bottom(), area.y + 18, 8), kFirst, kLast, "block");
    return;
  }
  std::vector<std::pair<std::string, std::string>> names;
  for (const Curve& curve : curves)
    names.emplace_back(curve.colour, "block " + std::to_string(curve.block->index));
  draw_legend(svg, area.right() + 14, area.y, names);
}

}  // namespace

void draw_losses(Svg& svg, const Box& panel, const PlotData& data) {
  const Box area = draw_title(svg, panel, "Loss while training, by block",
                              "mean over an epoch, relative to the block's first epoch");
  const std::vector<Curve> curves = curves_of(data);
  if (curves.empty()) return draw_message(svg, area, "nothing was trained");
  std::size_t epochs = 1;
  Range range;
  for (const Curve& curve : curves) {
    epochs = std::max(epochs, curve.relative.size());
    for (const double value : curve.relative) range.add(value);
  }
  if (epochs == 1) return draw_message(svg, area, "trained for one epoch: nothing to compare with");
  const Axis y = range.spans(kLogarithmicFrom) ? Axis::logarithmic(range, area.bottom(), area.y, 13)
                                               : Axis::linear(range, area.bottom(), area.y, 7);
  const Axis x = Axis::exact({1, static_cast<double>(epochs)}, area.x + 8, area.right() - 8, 12);
  draw_y_axis(svg, area, y, y.is_logarithmic() ? "loss / first (log scale)" : "loss / first");
  draw_epochs(svg, area, x);
  for (const Curve& curve : curves) draw_curve(svg, curve, x, y);
  draw_names(svg, area, data, curves);
}

}  // namespace apiq::plot
