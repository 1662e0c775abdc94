// Colours that people with the common kinds of colour blindness can tell apart, and that differ in brightness
// when printed in grey.
#pragma once
#include <string>

namespace apiq::plot {

/// Of a few kinds of things: Okabe and Ito, "Color Universal Design", 2008. Repeats after eight.
std::string category_colour(std::size_t index);

/// Of an ordered quantity, share in [0, 1] (clamped): from yellow through green to dark blue, along the
/// viridis map of Smith and van der Walt (2015, CC0), so that more is darker.
std::string scale_colour(double share);

/// What is readable on that colour.
std::string text_colour_on(double share);

}  // namespace apiq::plot
