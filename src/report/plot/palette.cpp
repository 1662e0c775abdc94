#include "report/plot/palette.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace apiq::plot {

namespace {

// Every eighth part of viridis, dark to light.
constexpr std::array<std::array<double, 3>, 9> kViridis = {{{68, 1, 84},
                                                            {71, 45, 123},
                                                            {59, 82, 139},
                                                            {44, 114, 142},
                                                            {33, 145, 140},
                                                            {40, 174, 128},
                                                            {94, 201, 98},
                                                            {173, 220, 48},
                                                            {253, 231, 37}}};

}  // namespace

std::string category_colour(std::size_t index) {
  static constexpr std::array<const char*, 8> kColours = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                                          "#56b4e9", "#d55e00", "#f0e442", "#000000"};
  return kColours[index % kColours.size()];
}

std::string scale_colour(double share) {
  const double place = (1 - std::clamp(share, 0.0, 1.0)) * (kViridis.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(place), kViridis.size() - 2);
  const double part = place - static_cast<double>(low);
  std::array<int, 3> rgb{};
  for (std::size_t i = 0; i < 3; ++i)
    rgb[i] =
        static_cast<int>(std::lround(kViridis[low][i] + part * (kViridis[low + 1][i] - kViridis[low][i])));
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", rgb[0] & 0xff, rgb[1] & 0xff, rgb[2] & 0xff);
  return text;
}

std::string text_colour_on(double share) { return share > 0.4 ? "#ffffff" : "#000000"; }

}  // namespace apiq::plot
