#include <algorithm>
#include <array>
#include <cmath>

#include "apiq/phase.hpp"
#include "report/plot/markup.hpp"
#include "report/plot/palette.hpp"
#include "report/plot/panels.hpp"
#include "util/text.hpp"

namespace apiq::plot {

namespace {

constexpr const char* kOther = "#999999";

struct Unit {
  const char* name;
  double size;
};

/// The largest unit that the largest value has at least `least` of.
template <std::size_t N>
Unit unit_for(double largest, double least, const std::array<Unit, N>& units) {
  Unit out = units[0];
  for (const Unit& unit : units)
    if (largest >= least * unit.size) out = unit;
  return out;
}

Unit time_unit(double seconds, double least) {
  return unit_for(seconds, least,
                  std::array<Unit, 4>{{{"ms", 1e-3}, {"seconds", 1}, {"minutes", 60}, {"hours", 3600}}});
}
Unit memory_unit(double bytes) {
  return unit_for(
      bytes, 2, std::array<Unit, 4>{{{"B", 1}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}}});
}

bool was_timed(const BlockReport* block) {
  return block != nullptr && !block->resumed && std::isfinite(block->seconds);
}

/// Names of all phases in their order, and the colour of each.
std::vector<std::pair<std::string, std::string>> phase_colours(const PlotData& data) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const BlockReport* block : data.run) {
    if (!was_timed(block)) continue;
    for (const auto& [name, seconds] : block->phases) {
      const auto known = [&name = name](const auto& entry) { return entry.second == name; };
      if (std::none_of(out.begin(), out.end(), known)) out.emplace_back(category_colour(out.size()), name);
    }
  }
  // Training, mostly the largest part, in the calmest colour, whatever comes before it.
  for (std::size_t i = 1; i < out.size(); ++i)
    if (out[i].second == name_of(Phase::train)) std::swap(out[i].first, out[0].first);
  return out;
}

void draw_bar(Svg& svg, const BlockReport& block, double x, double width, const Axis& axis, double unit,
              const std::vector<std::pair<std::string, std::string>>& colours) {
  double below = 0;
  const std::string name = "block " + std::to_string(block.index);
  const auto piece = [&](double seconds, const std::string& colour, const std::string& what) {
    if (!(seconds > 0)) return;
    const double top = axis.at((below + seconds) / unit), bottom = axis.at(below / unit);
    svg.rect({x, top, width, bottom - top}, {.fill = colour},
             name + " " + what + ": " + number(seconds, 3) + " s");
    below += seconds;
  };
  for (const auto& [colour, phase] : colours)
    for (const auto& [known, seconds] : block.phases)
      if (known == phase) piece(seconds, colour, phase);
  // Only what is more than the clocks' disagreement.
  if (block.seconds - below > 0.005 * block.seconds) piece(block.seconds - below, kOther, "other");
}

void draw_times(Svg& svg, const Box& area, const PlotData& data) {
  double longest = 0;
  bool any_other = false, any_resumed = false;
  for (const BlockReport* block : data.run) {
    any_resumed |= block != nullptr && block->resumed;
    if (!was_timed(block)) continue;
    double phases = 0;
    for (const auto& [name, seconds] : block->phases) phases += seconds > 0 ? seconds : 0;
    longest = std::max({longest, block->seconds, phases});
    any_other |= block->seconds - phases > 0.005 * block->seconds;
  }
  const Unit unit = time_unit(longest, 3);
  Range range;
  range.add(longest / unit.size);
  const Axis axis = Axis::linear(range, area.bottom(), area.y, 5, true);
  draw_y_axis(svg, area, axis, unit.name);
  const BlockBands bands(area, data.blocks.size());
  auto legend = phase_colours(data);
  const double width = std::min(bands.width() * 0.8, 64.0);
  for (std::size_t i = 0; i < data.run.size(); ++i) {
    if (was_timed(data.run[i]))
      draw_bar(svg, *data.run[i], bands.centre(i) - width / 2, width, axis, unit.size, legend);
    else if (data.run[i] != nullptr && data.run[i]->resumed)
      svg.rect({bands.left(i), area.y, bands.width(), area.height}, {.fill = kNothing},
               "block " + std::to_string(data.blocks[i].index) + ": done in an earlier run");
  }
  if (any_other) legend.emplace_back(kOther, "other");
  if (any_resumed) legend.emplace_back(kNothing, "earlier run");
  draw_legend(svg, area.right() + 14, area.y, legend);
}

using Bytes = std::uint64_t BlockReport::*;

void draw_memory_line(Svg& svg, const PlotData& data, const BlockBands& bands, const Axis& axis, double unit,
                      Bytes bytes, const std::string& what, const Style& style) {
  std::vector<std::pair<double, double>> points;
  for (std::size_t i = 0; i < data.run.size(); ++i) {
    if (!was_timed(data.run[i]) || data.run[i]->*bytes == 0) continue;
    const double y = axis.at(static_cast<double>(data.run[i]->*bytes) / unit);
    points.emplace_back(bands.centre(i), y);
    svg.circle(
        bands.centre(i), y, data.run.size() > 40 ? 1.5 : 2.5, {.fill = style.stroke},
        "block " + std::to_string(data.blocks[i].index) + " " + what + ": " + size_text(data.run[i]->*bytes));
  }
  svg.polyline(points, style);
}

void draw_memory(Svg& svg, const Box& area, const PlotData& data) {
  double largest = 0;
  for (const BlockReport* block : data.run)
    if (was_timed(block))
      largest = std::max(
          {largest, static_cast<double>(block->device_bytes), static_cast<double>(block->host_bytes)});
  const Unit unit = memory_unit(largest);
  Range range;
  range.add(largest / unit.size);
  const Axis axis = Axis::linear(range, area.bottom(), area.y, 3, true);
  draw_y_axis(svg, area, axis, std::string("peak ") + unit.name);
  const BlockBands bands(area, data.blocks.size());
  bands.draw_labels(svg, data.blocks);
  const Style host = {.stroke = category_colour(5), .width = 1.75, .dash = "5 3"},
              device = {.stroke = category_colour(0), .width = 1.75};
  draw_memory_line(svg, data, bands, axis, unit.size, &BlockReport::host_bytes, "host", host);
  draw_memory_line(svg, data, bands, axis, unit.size, &BlockReport::device_bytes, "device", device);
  double y = area.y + 8;
  for (const auto& [style, name] : {std::pair{host, "host"}, {device, "device"}}) {
    svg.line(area.right() + 14, y, area.right() + 34, y, style);
    svg.text(area.right() + 40, y + 4, name);
    y += 19;
  }
}

std::string subtitle_of(const PlotData& data) {
  if (data.record == nullptr) return "known to the run only, not to the checkpoint";
  const double seconds = data.record->seconds;
  const Unit unit = time_unit(seconds, 1);
  std::string out = "the run took " + number(seconds / unit.size) + " " + unit.name;
  if (seconds > 0)
    out += ", the device waited " + number(100 * data.record->wait_seconds / seconds, 2) + " % of it";
  return out + "; memory: largest so far";
}

}  // namespace

void draw_time_and_memory(Svg& svg, const Box& panel, const PlotData& data) {
  const Box area = draw_title(svg, panel, "Time and memory of each block", subtitle_of(data));
  if (std::none_of(data.run.begin(), data.run.end(),
                   [](const BlockReport* block) { return block != nullptr; }))
    return draw_message(svg, area, "not recorded");
  if (std::none_of(data.run.begin(), data.run.end(), was_timed))
    return draw_message(svg, area, "not recorded: every block was done in an earlier run");
  const double time_height = 0.58 * area.height, gap = 22;
  draw_times(svg, {area.x, area.y, area.width, time_height}, data);
  draw_memory(svg, {area.x, area.y + time_height + gap, area.width, area.height - time_height - gap}, data);
}

}  // namespace apiq::plot
