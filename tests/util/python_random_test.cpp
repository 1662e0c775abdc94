// Vectors: CPython 3.11, random.seed(s); then getrandbits or randint as named.
#include "util/python_random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiq/error.hpp"

namespace apiq {
namespace {

using testing::ElementsAre;

std::vector<std::int64_t> five_windows(std::uint64_t seed) {
  PythonRandom random(seed);
  std::vector<std::int64_t> starts;
  for (int i = 0; i < 5; ++i)
    starts.push_back(random.randint(0, 2874560 - 2048 - 1));  // tokens of WikiText-2 train, windows of 2048
  return starts;
}

TEST(PythonRandom, WindowStartsOfPublishedRuns) {
  EXPECT_THAT(five_windows(0), ElementsAre(1615835, 1764005, 169803, 1085975, 2144441));
  EXPECT_THAT(five_windows(2), ElementsAre(237193, 384134, 355978, 1514384, 709188));
  EXPECT_THAT(five_windows(42), ElementsAre(2681950, 466956, 104902, 1153556, 1027150));
}

TEST(PythonRandom, Words) {
  PythonRandom random(2);
  std::vector<std::uint32_t> words;
  for (int i = 0; i < 4; ++i) words.push_back(random.next_u32());
  EXPECT_THAT(words, ElementsAre(4106135923u, 3707026329u, 4070888059u, 3646664648u));
}

TEST(PythonRandom, SeveralTwistsLater) {
  PythonRandom random(7);
  for (int i = 0; i < 2000; ++i) random.next_u32();
  EXPECT_EQ(random.next_u32(), 4083946869u);
}

TEST(PythonRandom, SeedAndDrawsOverThirtyTwoBits) {
  PythonRandom random((std::uint64_t{5} << 32) | 9);
  EXPECT_EQ(random.bits(32), 2413448013u);
  EXPECT_EQ(random.bits(32), 1408078549u);
  EXPECT_EQ(random.bits(40), 845555333232u);
  EXPECT_EQ(random.bits(64), 287923549240491478u);
  EXPECT_EQ(random.randint(-1000000000000000, 1000000000000000), 244854164428407);
}

TEST(PythonRandom, Ranges) {
  PythonRandom random(1);
  EXPECT_EQ(random.randint(-3, -3), -3);
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t value = random.randint(-2, 2);
    EXPECT_GE(value, -2);
    EXPECT_LE(value, 2);
  }
  EXPECT_THROW(random.randint(1, 0), InvalidArgument);
}

}  // namespace
}  // namespace apiq
