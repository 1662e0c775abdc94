#include "report/plot/svg.hpp"

#include "report/plot/markup.hpp"

namespace apiq::plot {

namespace {

std::string attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + escape(value) + "\"";
}
std::string attribute(std::string_view name, double value) {
  return " " + std::string(name) + "=\"" + pixels(value) + "\"";
}

std::string text_of(const Style& style) {
  std::string out = attribute("fill", style.fill);
  if (style.stroke == "none") return out;
  out += attribute("stroke", style.stroke) + attribute("stroke-width", style.width);
  if (!style.dash.empty()) out += attribute("stroke-dasharray", style.dash);
  return out;
}

std::string_view name_of(Anchor anchor) {
  return anchor == Anchor::start ? "start" : anchor == Anchor::middle ? "middle" : "end";
}

}  // namespace

void Svg::close(std::string_view element, std::string_view tooltip) {
  if (tooltip.empty()) body_ += "/>\n";
  else body_ += "><title>" + escape(tooltip) + "</title></" + std::string(element) + ">\n";
}

void Svg::rect(const Box& box, const Style& style, std::string_view tooltip) {
  body_ += "<rect" + attribute("x", box.x) + attribute("y", box.y) + attribute("width", box.width) +
           attribute("height", box.height) + text_of(style);
  close("rect", tooltip);
}

void Svg::line(double x1, double y1, double x2, double y2, const Style& style) {
  body_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2) +
           text_of(style) + "/>\n";
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, const Style& style,
                   std::string_view tooltip) {
  if (points.size() < 2) return;
  std::string list;
  for (const auto& [x, y] : points) list += (list.empty() ? "" : " ") + pixels(x) + "," + pixels(y);
  body_ += "<polyline" + attribute("points", list) + text_of(style) + " stroke-linejoin=\"round\"";
  close("polyline", tooltip);
}

void Svg::circle(double x, double y, double radius, const Style& style, std::string_view tooltip) {
  body_ += "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius) + text_of(style);
  close("circle", tooltip);
}

void Svg::text(double x, double y, std::string_view text, const TextStyle& style) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + attribute("font-size", style.size) +
           attribute("fill", style.fill);
  if (style.anchor != Anchor::start) body_ += attribute("text-anchor", name_of(style.anchor));
  if (style.bold) body_ += attribute("font-weight", "bold");
  if (style.upwards) body_ += attribute("transform", "rotate(-90 " + pixels(x) + " " + pixels(y) + ")");
  body_ += ">" + escape(text) + "</text>\n";
}

std::string Svg::document(double width, double height, std::string_view label, bool prolog) const {
  std::string out = prolog ? "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" : "";
  out +=
      "<svg xmlns=\"http://www.w3.org/2000/svg\"" + attribute("width", width) + attribute("height", height);
  out += attribute("viewBox", "0 0 " + pixels(width) + " " + pixels(height)) + " role=\"img\"" +
         attribute("aria-label", label);
  out += attribute("font-family", "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif") + ">\n";
  out += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  return out + body_ + "</svg>\n";
}

double text_width(std::string_view text, double size) {
  std::size_t characters = 0;
  for (const char c : text)
    characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // not the bytes that continue one
  return 0.6 * size * static_cast<double>(characters);
}

}  // namespace apiq::plot
