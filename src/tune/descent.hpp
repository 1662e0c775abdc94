// Coordinate descent over a search space: one tunable at a time, then listed pairs, until a whole round finds
// nothing better. Pure logic; how a setting is timed is the caller's. Everything measured goes into a memo,
// so that a search that was cut short repeats its way at no cost.
#pragma once
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tuning.hpp"

namespace apiq::tuning {

using Point = runtime::TunedValues;

inline constexpr double kRefused = std::numeric_limits<double>::infinity();

/// What is known of a setting: its time over the preset's, or why it cannot be used.
struct Trial {
  double cost = kRefused;
  std::string reason;  // empty: it was timed
  bool operator==(const Trial&) const = default;
};

using Memo = std::map<std::string, Trial, std::less<>>;  // by the text of the point

struct DescentProblem {
  struct Candidates {
    std::string name;
    std::vector<int> values;  // ascending
  };
  std::vector<Candidates> axes;
  std::vector<std::pair<std::string, std::string>> together;
  std::function<std::string(const Point&)> text_of;
  /// Why the point cannot be; empty: it can. Not remembered, not counted.
  std::function<std::string(const Point&)> conflict;
  /// Time of the candidate over that of the incumbent. Not called for points in the memo.
  std::function<Trial(const Point& candidate, const Point& incumbent)> compare;
  /// Called before a faster candidate becomes the incumbent: why its results are wrong, empty if they are
  /// right.
  std::function<std::string(const Point&)> check;
  /// Asked before every comparison; true ends the search.
  std::function<bool()> out_of_time;
  double margin = 0.02;  // a candidate must be faster by this share: smaller differences are noise
};

struct DescentResult {
  Point best;
  double cost = 1;         // over the preset
  bool converged = false;  // false: out of time
};

/// start_cost: time of `start` over the preset's, 1 if it is the preset.
DescentResult descend(const DescentProblem& problem, const Point& start, double start_cost, Memo& memo);

}  // namespace apiq::tuning
