// Options as fields: one listing drives checks, what is left open, keys and texts.
#include "apiq/fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "support/errors.hpp"

namespace apiq {
namespace {

enum class Colour { red, green };
constexpr std::array<std::string_view, 2> names_of(Colour) { return {"red", "green"}; }

constexpr std::array<std::uint32_t, 3> kSizes = {1, 2, 8};

struct Paint {
  std::uint32_t size = 2;
  float share = 0.5f;
  Open<std::uint32_t> coats;
  Open<Colour> colour;
  bool glossy = false;

  template <class Visit>
  static void fields(Visit&& visit) {
    visit(&Paint::size, Field{.name = "size", .range = {.among = kSizes}});
    visit(&Paint::share, Field{.name = "share", .range = {.most = 1, .above_least = true}});
    visit(&Paint::coats, Field{.name = "coats-of-paint", .range = {.least = 1}});
    visit(&Paint::colour, Field{.name = "colour", .key = "color"});
    visit(&Paint::glossy, Field{.name = "glossy"});
  }
};

TEST(Fields, AreVisitedInOrderWithTheirKeys) {
  std::vector<std::string> keys;
  Paint::fields([&](auto, const Field& field) { keys.push_back(field.json_key()); });
  EXPECT_THAT(keys, testing::ElementsAre("size", "share", "coats_of_paint", "color", "glossy"));
}

TEST(Fields, WhatIsOpenReadsAsNothingAndIsFilledFromAnother) {
  Paint paint;
  EXPECT_TRUE(paint.coats.is_open());
  EXPECT_EQ(paint.coats, 0u);
  EXPECT_EQ(paint.colour, Colour::red);
  Paint other;
  other.size = 8;
  other.coats = 3;
  other.colour = Colour::green;
  paint.coats = 1;
  fill_open(paint, other);
  EXPECT_EQ(paint.size, 2u) << "was not open";
  EXPECT_EQ(paint.coats, 1u) << "was given";
  EXPECT_EQ(name_of(Colour(paint.colour)), "green");
}

TEST(Fields, NumbersOutsideTheirRangeAreRefusedByName) {
  const auto refusal = [](auto change) {
    Paint paint;
    change(paint);
    return test::error_text<InvalidArgument>([&] { check_fields(paint); });
  };
  EXPECT_NO_THROW(check_fields(Paint{}));
  EXPECT_EQ(refusal([](Paint& p) { p.size = 4; }), "[--size] expected 1, 2 or 8, found 4");
  EXPECT_EQ(refusal([](Paint& p) { p.share = 0; }),
            "[--share] expected a number above 0, at most 1, found 0");
  EXPECT_EQ(refusal([](Paint& p) { p.share = 1.5f; }),
            "[--share] expected a number above 0, at most 1, found 1.5");
  EXPECT_EQ(refusal([](Paint& p) { p.coats = 0u; }), "[--coats-of-paint] expected 1 or more, found 0");
  EXPECT_NE(refusal([](Paint& p) { p.share = NAN; }), "");
}

}  // namespace
}  // namespace apiq
