#include "tune/descent.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tune/acceptance.hpp"

namespace apiq {
namespace {

using tuning::Memo;
using tuning::Point;
using tuning::Trial;

std::string text(const Point& p) {
  std::string out;
  for (const auto& [name, value] : p) out += name + "=" + std::to_string(value) + " ";
  return out;
}

/// Time of a made-up kernel in two tunables A and B of 1, 2, 4, 8, 16, found by comparisons that count
/// themselves.
struct Synthetic {
  std::function<double(const Point&)> time;
  std::function<std::string(const Point&)> conflict = [](const Point&) { return std::string(); };
  std::function<std::string(const Point&)> wrong = [](const Point&) { return std::string(); };
  int budget = 1000, compared = 0, tested_conflicts = 0;

  tuning::DescentProblem problem() {
    tuning::DescentProblem out;
    out.axes = {{"A", {1, 2, 4, 8, 16}}, {"B", {1, 2, 4, 8, 16}}};
    out.together = {{"A", "B"}};
    out.text_of = text;
    out.conflict = conflict;
    out.compare = [this](const Point& candidate, const Point& incumbent) {
      ++compared;
      if (!conflict(candidate).empty()) ++tested_conflicts;
      return Trial{time(candidate) / time(incumbent), {}};
    };
    out.check = wrong;
    out.out_of_time = [this] { return compared >= budget; };
    return out;
  }
};

double distance(const Point& p, double a, double b) {
  return 1 + std::fabs(std::log2(p.at("A")) - a) + std::fabs(std::log2(p.at("B")) - b);
}

const Point kStart{{"A", 1}, {"B", 1}};

TEST(Descent, FindsTheMinimumOfASeparableCost) {
  Synthetic kernel{[](const Point& p) { return distance(p, 3, 2); }};
  Memo memo;
  const auto found = tuning::descend(kernel.problem(), kStart, 1, memo);
  EXPECT_EQ(found.best, (Point{{"A", 8}, {"B", 4}}));
  EXPECT_TRUE(found.converged);
  EXPECT_NEAR(found.cost, 1.0 / 6, 1e-12) << "relative to the start, through every step";
  EXPECT_LT(kernel.compared, 25) << "not the whole grid";
}

TEST(Descent, PairsMoveWhereEachAloneLoses) {
  // A * B must stay 16: a step of one alone is refused.
  Synthetic kernel{[](const Point& p) { return distance(p, 1, 3); }};
  kernel.conflict = [](const Point& p) {
    return p.at("A") * p.at("B") == 16 ? std::string() : std::string("A * B must be 16");
  };
  Memo memo;
  const auto found = tuning::descend(kernel.problem(), {{"A", 16}, {"B", 1}}, 1, memo);
  EXPECT_EQ(found.best, (Point{{"A", 2}, {"B", 8}}));
  EXPECT_EQ(kernel.tested_conflicts, 0) << "what cannot be is never run";
}

TEST(Descent, SmallDifferencesAreNoise) {
  Synthetic kernel{[](const Point& p) { return 1 - 0.001 * p.at("A"); }};
  Memo memo;
  EXPECT_EQ(tuning::descend(kernel.problem(), kStart, 1, memo).best, kStart);
}

TEST(Descent, WrongAndRefusedSettingsAreNeverTaken) {
  Synthetic kernel{[](const Point& p) { return distance(p, 4, 0); }};
  kernel.wrong = [](const Point& p) { return p.at("A") == 16 ? std::string("wrong result") : std::string(); };
  auto problem = kernel.problem();
  const auto compare = problem.compare;
  problem.compare = [&](const Point& candidate, const Point& incumbent) {
    return candidate.at("A") == 8 ? Trial{tuning::kRefused, "refused by the compiler"}
                                  : compare(candidate, incumbent);
  };
  Memo memo;
  const auto found = tuning::descend(problem, kStart, 1, memo);
  EXPECT_EQ(found.best, (Point{{"A", 4}, {"B", 1}}));
  EXPECT_EQ(memo.at("A=16 B=1 ").reason, "wrong result");
  EXPECT_EQ(memo.at("A=8 B=1 ").reason, "refused by the compiler");
}

TEST(Descent, GoesOnWhereTheClockStoppedItAndRepeatsNothing) {
  Synthetic whole{[](const Point& p) { return distance(p, 3, 2); }};
  Memo all;
  const auto want = tuning::descend(whole.problem(), kStart, 1, all);
  Memo memo;
  int turns = 0, compared = 0;
  tuning::DescentResult found;
  do {
    Synthetic part = whole;
    part.compared = 0;
    part.budget = 3;
    found = tuning::descend(part.problem(), kStart, 1, memo);
    compared += part.compared;
    ++turns;
  } while (!found.converged && turns < 100);
  EXPECT_GT(turns, 2);
  EXPECT_EQ(found.best, want.best);
  EXPECT_EQ(memo, all);
  EXPECT_EQ(compared, whole.compared);
}

TEST(Acceptance, AsksForMoreThanTheSpread) {
  const std::vector<std::vector<double>> preset(5, {2.0, 4.0});
  const auto found = [](std::vector<double> factors) {
    std::vector<std::vector<double>> out;
    for (const double f : factors) out.push_back({2.0 * f, 4.0 * f});
    return out;
  };
  const auto sure = tuning::compare_rounds(preset, found({0.8, 0.8, 0.8, 0.8, 0.8}));
  EXPECT_NEAR(sure.speedup, 1.25, 1e-12);
  EXPECT_NEAR(sure.spread, 0, 1e-12);
  EXPECT_TRUE(sure.accepted());
  EXPECT_FALSE(tuning::compare_rounds(preset, found({0.99, 0.99, 0.99, 0.99, 0.99})).accepted())
      << "too little to be worth an entry";
  EXPECT_FALSE(tuning::compare_rounds(preset, found({1.2, 1.2, 1.2, 1.2, 1.2})).accepted());
  const auto noisy = tuning::compare_rounds(preset, found({0.6, 0.7, 0.9, 1.1, 1.3}));
  EXPECT_GT(noisy.speedup, 1.1);
  EXPECT_FALSE(noisy.accepted()) << "rounds differ by more than the gain";
  EXPECT_TRUE(tuning::compare_rounds(preset, found({0.8, 0.8, 0.8, 0.8, 5.0})).accepted())
      << "one disturbed round does not hide a gain";
}

TEST(Acceptance, CasesWeighAlikeWhateverTheyTake) {
  // Twice as fast in the short case, half as fast in the long one: nothing gained.
  EXPECT_NEAR(tuning::compare_rounds({{1.0, 100.0}}, {{0.5, 200.0}}).speedup, 1.0, 1e-12);
}

}  // namespace
}  // namespace apiq
