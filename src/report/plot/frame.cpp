#include "report/plot/frame.hpp"

#include <algorithm>
#include <cmath>

#include "report/plot/palette.hpp"

namespace apiq::plot {

namespace {

constexpr double kLeft = 82, kTop = 62, kRight = 116, kBottom = 48, kLegendGap = 14;

}  // namespace

Box draw_title(Svg& svg, const Box& panel, const std::string& title, const std::string& subtitle) {
  svg.text(panel.x + 14, panel.y + 24, title, {.size = 15, .bold = true});
  svg.text(panel.x + 14, panel.y + 43, subtitle, {.size = 12, .fill = kPale});
  return {panel.x + kLeft, panel.y + kTop, panel.width - kLeft - kRight, panel.height - kTop - kBottom};
}

void draw_y_axis(Svg& svg, const Box& area, const Axis& axis, const std::string& quantity) {
  for (const double tick : axis.ticks()) {
    const double y = axis.at(tick);
    svg.line(area.x, y, area.right(), y, {.stroke = kGrid});
    svg.text(area.x - 7, y + 4, axis.label(tick), {.anchor = Anchor::end});
  }
  svg.line(area.x, area.y, area.x, area.bottom(), {.stroke = kInk});
  svg.line(area.x, area.bottom(), area.right(), area.bottom(), {.stroke = kInk});
  svg.text(area.x - 62, area.y + area.height / 2, quantity, {.anchor = Anchor::middle, .upwards = true});
}

void BlockBands::draw_labels(Svg& svg, const std::vector<BlockReport>& blocks) const {
  const double widest = text_width(std::to_string(blocks.back().index), 12) + 10;
  const auto fit = static_cast<int>(std::max(1.0, area_.width / widest));
  for (const double tick : linear_ticks(0, static_cast<double>(count_ - 1), fit, /*whole=*/true)) {
    const auto i = static_cast<std::size_t>(std::lround(tick));
    svg.line(centre(i), area_.bottom(), centre(i), area_.bottom() + 4, {.stroke = kInk});
    svg.text(centre(i), area_.bottom() + 18, std::to_string(blocks[i].index), {.anchor = Anchor::middle});
  }
  svg.text(area_.x + area_.width / 2, area_.bottom() + 37, "block", {.anchor = Anchor::middle});
}

void draw_legend(Svg& svg, double x, double y,
                 const std::vector<std::pair<std::string, std::string>>& colours_and_names) {
  for (const auto& [colour, name] : colours_and_names) {
    svg.rect({x, y, 12, 12}, {.fill = colour, .stroke = "#888888", .width = 0.5});
    svg.text(x + 18, y + 10.5, name);
    y += 19;
  }
}

void draw_colour_bar(Svg& svg, const Box& area, const Axis& axis, double first, double last,
                     const std::string& quantity) {
  constexpr int kSteps = 48;
  const Box bar = {area.right() + kLegendGap, area.y + 18, 14, area.height - 18};
  svg.text(bar.x, area.y + 6, quantity);
  for (int i = 0; i < kSteps; ++i) {
    const double share = (i + 0.5) / kSteps, height = bar.height / kSteps;
    // Half a pixel of overlap: otherwise the seams between the steps show.
    svg.rect({bar.x, bar.bottom() - height * (i + 1), bar.width, height + (i ? 0.5 : 0)},
             {.fill = scale_colour(first + share * (last - first))});
  }
  for (const double tick : axis.ticks()) {
    const double y = axis.at(tick);
    svg.line(bar.right(), y, bar.right() + 4, y, {.stroke = kInk});
    svg.text(bar.right() + 8, y + 4, axis.label(tick));
  }
}

void draw_message(Svg& svg, const Box& area, const std::string& text) {
  svg.rect(area, {.fill = "#f7f7f7", .stroke = kGrid});
  svg.text(area.x + area.width / 2, area.y + area.height / 2 + 4, text,
           {.size = 13, .anchor = Anchor::middle, .fill = kPale});
}

}  // namespace apiq::plot
