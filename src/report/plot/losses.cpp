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

constexpr double kSmoothed = 0.05;  // share of a curve that a point is averaged over

/// Losses of a block relative to the first, at the places of their steps or epochs.
struct Curve {
  const BlockReport* block;
  std::string colour, name;
  std::vector<std::pair<double, double>> points;
};

std::string colour_of(std::size_t i, std::size_t count) {
  const double share = count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 1;
  return scale_colour(kFirst + (kLast - kFirst) * share);
}

/// Means over neighbours on both sides, as many of them as there are on the shorter side near an end, so that
/// neither end is drawn towards the middle.
std::vector<double> smoothed(const std::vector<double>& values) {
  const auto width = static_cast<std::size_t>(kSmoothed / 2 * static_cast<double>(values.size()));
  std::vector<double> out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t reach = std::min({width, i, values.size() - 1 - i});
    double sum = 0, count = 0;
    for (std::size_t j = i - reach; j <= i + reach; ++j)
      if (std::isfinite(values[j])) sum += values[j], ++count;
    out.push_back(count > 0 && std::isfinite(values[i]) ? sum / count : NAN);
  }
  return out;
}

bool has_steps(const BlockReport& block) {
  return block.curve.points.size() > 1 && block.curve.steps_per_point > 0;
}

/// A checkpoint of an earlier version has losses of epochs only.
bool draws_steps(const PlotData& data) {
  return std::any_of(data.blocks.begin(), data.blocks.end(), has_steps);
}

Curve curve_of(const BlockReport& block, bool steps) {
  const std::vector<double> values = steps ? smoothed(block.curve.points) : block.losses;
  Curve out = {&block, {}, "block " + std::to_string(block.index), {}};
  const auto first =
      std::find_if(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
  if (first == values.end() || !(*first > 0)) return out;
  const double width = steps ? block.curve.steps_per_point : 1;
  for (std::size_t i = 0; i < values.size(); ++i)
    // A point of steps stands in the middle of them, an epoch's at its number.
    out.points.emplace_back(steps ? width * (static_cast<double>(i) + 0.5) : static_cast<double>(i + 1),
                            values[i] / *first);
  out.name +=
      ": " + number(*first) + " to " + number(values.back()) + " in " +
      (steps ? std::to_string(block.curve.steps) + " steps" : std::to_string(values.size()) + " epochs");
  return out;
}

std::vector<Curve> curves_of(const PlotData& data, bool steps) {
  std::vector<Curve> out;
  for (std::size_t i = 0; i < data.blocks.size(); ++i) {
    if (steps && !has_steps(data.blocks[i])) continue;
    Curve curve = curve_of(data.blocks[i], steps);
    curve.colour = colour_of(i, data.blocks.size());
    if (!curve.points.empty()) out.push_back(std::move(curve));
  }
  return out;
}

void draw_x_axis(Svg& svg, const Box& area, const Axis& x, const char* title) {
  for (const double tick : x.ticks()) {
    svg.line(x.at(tick), area.bottom(), x.at(tick), area.bottom() + 4, {.stroke = kInk});
    svg.text(x.at(tick), area.bottom() + 18, x.label(tick), {.anchor = Anchor::middle});
  }
  svg.text(area.x + area.width / 2, area.bottom() + 37, title, {.anchor = Anchor::middle});
}

void draw_curve(Svg& svg, const Curve& curve, const Axis& x, const Axis& y) {
  std::vector<std::pair<double, double>> points, ends;
  const auto draw_points = [&] {
    svg.polyline(points, {.stroke = curve.colour, .width = 1.75}, curve.name);
    if (!points.empty()) ends.push_back(points.back());
    points.clear();
  };
  for (const auto& [place, value] : curve.points) {
    if (std::isfinite(value) && (value > 0 || !y.is_logarithmic()))
      points.emplace_back(x.at(place), y.at(value));
    else draw_points();  // a gap where the loss was no number
  }
  draw_points();
  for (const auto& [px, py] : ends) svg.circle(px, py, 2.5, {.fill = curve.colour}, curve.name);
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
  const bool steps = draws_steps(data);
  const Box area = draw_title(svg, panel, "Loss while training, by block",
                              steps ? "over the steps, smoothed, relative to where the block began"
                                    : "mean over an epoch, relative to the block's first epoch");
  const std::vector<Curve> curves = curves_of(data, steps);
  if (curves.empty()) return draw_message(svg, area, "nothing was trained");
  Range places, range;
  std::size_t longest = 0;
  for (const Curve& curve : curves) {
    longest = std::max(longest, curve.points.size());
    for (const auto& [place, value] : curve.points) {
      places.add(place);
      range.add(value);
    }
  }
  if (longest == 1) return draw_message(svg, area, "trained for one epoch: nothing to compare with");
  const Axis y = range.spans(kLogarithmicFrom) ? Axis::logarithmic(range, area.bottom(), area.y, 13)
                                               : Axis::linear(range, area.bottom(), area.y, 7);
  if (steps) places.add(0);
  const Axis x = Axis::exact(places, area.x + 8, area.right() - 8, 12);
  draw_y_axis(svg, area, y, y.is_logarithmic() ? "loss / first (log scale)" : "loss / first");
  draw_x_axis(svg, area, x, steps ? "step" : "epoch");
  for (const Curve& curve : curves) draw_curve(svg, curve, x, y);
  draw_names(svg, area, data, curves);
}

}  // namespace apiq::plot
