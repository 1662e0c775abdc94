// Text and numbers inside XML, and the SVG writer.
#include "report/plot/markup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "report/plot/palette.hpp"
#include "report/plot/svg.hpp"
#include "report/xml_check.hpp"

namespace apiq::plot {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Escape, LeavesNothingThatXmlWouldRead) {
  EXPECT_EQ(escape("a < b & \"c\" > 'd'"), "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
  EXPECT_EQ(escape("&amp;"), "&amp;amp;");
  EXPECT_EQ(escape("caf\xc3\xa9 \xe2\x82\xac"), "caf\xc3\xa9 \xe2\x82\xac");
}

TEST(Escape, ReplacesWhatXmlCannotHold) {
  const std::string replaced = "\xef\xbf\xbd";
  EXPECT_EQ(escape(std::string("a\0b", 3)), "a" + replaced + "b");
  EXPECT_EQ(escape("\x1b[0m"), replaced + "[0m");
  EXPECT_EQ(escape("\xff\xc3"), replaced + replaced);
  EXPECT_EQ(escape("\xed\xa0\x80"), replaced + replaced + replaced);  // a surrogate
  EXPECT_EQ(escape("\xef\xbf\xbf"), replaced);                        // U+FFFF
  EXPECT_EQ(escape("a\nb\tc"), "a\nb\tc");
}

TEST(Number, IsShort) {
  EXPECT_EQ(number(0.0731234), "0.07312");
  EXPECT_EQ(number(1.2e-5), "1.2e-5");
  EXPECT_EQ(number(2e10), "2e10");
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(-3.5), "-3.5");
  EXPECT_EQ(number(NAN), "-");
  EXPECT_EQ(number(-INFINITY), "-");
  EXPECT_EQ(fixed(0.9, 2), "0.90");
  EXPECT_EQ(fixed(INFINITY, 2), "-");
}

TEST(Pixels, AreAlwaysNumbers) {
  EXPECT_EQ(pixels(12.345678), "12.35");
  EXPECT_EQ(pixels(-0.001), "0");
  EXPECT_EQ(pixels(NAN), "0");
  EXPECT_EQ(pixels(INFINITY), "0");
  EXPECT_EQ(pixels(1e300), "1000000");
}

TEST(Palette, RunsFromLightToDark) {
  const auto luminance = [](const std::string& colour) {  // Rec. 601 weights
    const auto channel = [&](std::size_t at) { return std::stoi(colour.substr(at, 2), nullptr, 16); };
    return 0.299 * channel(1) + 0.587 * channel(3) + 0.114 * channel(5);
  };
  for (int i = 0; i < 20; ++i)
    EXPECT_GT(luminance(scale_colour(i / 20.0)), luminance(scale_colour((i + 1) / 20.0))) << i;
  EXPECT_EQ(scale_colour(-3), scale_colour(0));
  EXPECT_EQ(scale_colour(7), scale_colour(1));
  EXPECT_EQ(scale_colour(1), "#440154");  // the dark end of viridis
}

TEST(Svg, WritesWellFormedElementsFromAnyText) {
  Svg svg;
  svg.text(1, 2, "<script>alert('x')</script> & \x01",
           {.anchor = Anchor::middle, .bold = true, .upwards = true});
  svg.rect({0, 0, NAN, 5}, {.fill = "#ffffff"}, "a \"tooltip\" <b>");
  svg.line(0, 0, INFINITY, 3, {.stroke = "#000000", .dash = "4 3"});
  svg.polyline({{0, 0}, {1, NAN}}, {.stroke = "#000000"});
  svg.circle(1, 1, 2, {.fill = "#000000"}, "point");
  const std::string text = svg.document(100, 50, "label with \"quotes\"", true);
  apiq::testing::XmlCheck check(text);
  EXPECT_EQ(check.error().value_or("fine"), "fine") << text;
  EXPECT_EQ(check.elements().count("script"), 0u);
  EXPECT_THAT(text, Not(HasSubstr("nan")));
  EXPECT_THAT(text, Not(HasSubstr("inf")));
}

TEST(Svg, DrawsNoLineThroughFewerThanTwoPoints) {
  Svg svg;
  svg.polyline({{1, 1}}, {.stroke = "#000000"});
  EXPECT_THAT(svg.document(10, 10, "", false), Not(HasSubstr("polyline")));
}

/// The checker itself must be able to fail.
TEST(XmlCheck, FindsDamage) {
  EXPECT_FALSE(apiq::testing::XmlCheck("<a b=\"1\">x &lt; y<c/></a>").error());
  for (const char* bad : {"<a>", "<a></b>", "<a b=1/>", "<a b=\"1\" b=\"2\"/>", "<a>&nbsp;</a>",
                          "<a>x & y</a>", "<a/><b/>", "<a>\x01</a>", "x", ""})
    EXPECT_TRUE(apiq::testing::XmlCheck(bad).error()) << bad;
}

}  // namespace
}  // namespace apiq::plot
