#include "tune/descent.hpp"

#include <algorithm>

namespace apiq::tuning {

namespace {

class Search {
 public:
  Search(const DescentProblem& problem, const Point& start, double start_cost, Memo& memo)
      : problem_(problem), memo_(memo) {
    result_.best = start;
    result_.cost = start_cost;
  }

  DescentResult run() {
    bool moved = true;
    while (moved && !stopped_) {
      const Point before = result_.best;
      for (const auto& axis : problem_.axes) along(axis);
      for (const auto& [first, second] : problem_.together) together(first, second);
      moved = result_.best != before;
    }
    result_.converged = !stopped_;
    return result_;
  }

 private:
  /// Every other value of one tunable.
  void along(const DescentProblem::Candidates& axis) {
    for (const int value : axis.values) {
      Point candidate = result_.best;
      candidate[axis.name] = value;
      consider(candidate);
    }
  }

  /// Two tunables one step each: both up, both down, and one against the other.
  void together(const std::string& first, const std::string& second) {
    for (const auto& [one, other] : {std::pair{1, 1}, {-1, -1}, {1, -1}, {-1, 1}}) {
      Point candidate = result_.best;
      if (step(candidate, first, one) && step(candidate, second, other)) consider(candidate);
    }
  }

  bool step(Point& point, const std::string& name, int direction) const {
    const auto axis = std::find_if(problem_.axes.begin(), problem_.axes.end(),
                                   [&](const auto& a) { return a.name == name; });
    if (axis == problem_.axes.end()) return false;
    const auto& values = axis->values;
    int& value = point[name];
    if (direction > 0) {
      const auto next = std::upper_bound(values.begin(), values.end(), value);
      if (next == values.end()) return false;
      value = *next;
    } else {
      const auto next = std::lower_bound(values.begin(), values.end(), value);
      if (next == values.begin()) return false;
      value = *(next - 1);
    }
    return true;
  }

  void consider(const Point& candidate) {
    if (stopped_ || candidate == result_.best || !problem_.conflict(candidate).empty()) return;
    const std::string text = problem_.text_of(candidate);
    auto known = memo_.find(text);
    if (known == memo_.end()) {
      if ((stopped_ = problem_.out_of_time())) return;
      Trial trial = problem_.compare(candidate, result_.best);
      trial.cost *= result_.cost;
      const bool faster = trial.reason.empty() && trial.cost < result_.cost * (1 - problem_.margin);
      if (faster) trial.reason = problem_.check(candidate);
      if (!trial.reason.empty()) trial.cost = kRefused;
      known = memo_.emplace(text, trial).first;
    }
    if (known->second.cost >= result_.cost * (1 - problem_.margin)) return;
    result_.best = candidate;
    result_.cost = known->second.cost;
  }

  const DescentProblem& problem_;
  Memo& memo_;
  DescentResult result_;
  bool stopped_ = false;
};

}  // namespace

DescentResult descend(const DescentProblem& problem, const Point& start, double start_cost, Memo& memo) {
  return Search(problem, start, start_cost, memo).run();
}

}  // namespace apiq::tuning
