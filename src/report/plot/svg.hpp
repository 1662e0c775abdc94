// Writes SVG elements. Knows nothing of charts; every text and number goes through markup.hpp, so the result
// is well-formed.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace apiq::plot {

struct Box {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

struct Style {
  std::string fill = "none", stroke = "none";  // colours
  double width = 1;                            // of the stroke
  std::string dash = {};                       // "4 3"
};

enum class Anchor { start, middle, end };

struct TextStyle {
  double size = 12;
  Anchor anchor = Anchor::start;
  std::string fill = "#333333";
  bool bold = false;
  bool upwards = false;  // turned by 90 degrees about its anchor, read from below
};

class Svg {
 public:
  /// tooltip: what a browser shows when the pointer rests on the shape; needs no script.
  void rect(const Box& box, const Style& style, std::string_view tooltip = {});
  void line(double x1, double y1, double x2, double y2, const Style& style);
  /// Open line through the points; nothing for fewer than two.
  void polyline(const std::vector<std::pair<double, double>>& points, const Style& style,
                std::string_view tooltip = {});
  void circle(double x, double y, double radius, const Style& style, std::string_view tooltip = {});
  void text(double x, double y, std::string_view text, const TextStyle& style = {});

  /// The whole document, white, with the text that readers of the picture's text alternative get. `prolog`:
  /// with an XML declaration, for a file of its own; without, for the inside of a page.
  std::string document(double width, double height, std::string_view label, bool prolog) const;

 private:
  void close(std::string_view element, std::string_view tooltip);
  std::string body_;
};

/// Roughly the width of a text in pixels, on the safe side for the usual sans serif fonts.
double text_width(std::string_view text, double size);

}  // namespace apiq::plot
