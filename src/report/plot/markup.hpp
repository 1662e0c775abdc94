// Text and numbers inside XML: escaped, valid, the same on every machine.
#pragma once
#include <string>
#include <string_view>

namespace apiq::plot {

/// For element content and attribute values in double quotes. Bytes that are not UTF-8 and characters that
/// XML 1.0 does not know become U+FFFD.
std::string escape(std::string_view text);

/// At most `digits` significant digits, without trailing zeros: "0.0731", "1.2e-5"; "-" if not finite. Does
/// not depend on the locale.
std::string number(double value, int digits = 4);

/// Exactly so many digits after the point; "-" if not finite.
std::string fixed(double value, int decimals);

/// A coordinate: two decimals at most. 0 for what is not finite, so that a document stays valid whatever it
/// was given.
std::string pixels(double value);

}  // namespace apiq::plot
