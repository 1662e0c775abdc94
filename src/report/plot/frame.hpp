// What all panels share: title, axes, blocks side by side, legends, the colour bar, and words in place of
// data.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "apiq/block_report.hpp"
#include "report/plot/axis.hpp"
#include "report/plot/svg.hpp"

namespace apiq::plot {

inline constexpr double kPanelWidth = 720, kPanelHeight = 380;
inline constexpr const char* kInk = "#333333";
inline constexpr const char* kPale = "#767676";  // 4.5 : 1 on white
inline constexpr const char* kGrid = "#e4e4e4";
inline constexpr const char* kNothing = "#ececec";  // where there are no data

/// Title in two lines; returns the plotting area below it, with room for axes on the left and below and for a
/// legend on the right.
Box draw_title(Svg& svg, const Box& panel, const std::string& title, const std::string& subtitle);

/// Grid lines and labels, and the quantity along the left side.
void draw_y_axis(Svg& svg, const Box& area, const Axis& axis, const std::string& quantity);

/// Blocks side by side, each as wide as all others.
class BlockBands {
 public:
  BlockBands(const Box& area, std::size_t count) : area_(area), count_(count) {}
  double left(std::size_t i) const { return area_.x + width() * static_cast<double>(i); }
  double centre(std::size_t i) const { return left(i) + width() / 2; }
  double width() const { return area_.width / static_cast<double>(count_); }
  /// Index labels below the area, as many as fit, and the words "block".
  void draw_labels(Svg& svg, const std::vector<BlockReport>& blocks) const;

 private:
  Box area_;
  std::size_t count_;
};

/// Colour squares with names, from (x, y) down.
void draw_legend(Svg& svg, double x, double y,
                 const std::vector<std::pair<std::string, std::string>>& colours_and_names);

/// scale_colour from `first` to `last` at the right of the area, with ticks; the axis runs over [area.bottom,
/// area.y].
void draw_colour_bar(Svg& svg, const Box& area, const Axis& axis, double first, double last,
                     const std::string& quantity);

/// Words in the middle of an empty frame.
void draw_message(Svg& svg, const Box& area, const std::string& text);

}  // namespace apiq::plot
