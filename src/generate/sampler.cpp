#include "generate/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "apiq/error.hpp"

namespace apiq::generate_detail {

Sampler::Sampler(const GenerateOptions& options)
    : temperature_(options.temperature),
      top_p_(options.top_p),
      top_k_(options.top_k),
      random_(options.seed, 0) {
  if (!(temperature_ >= 0) || !std::isfinite(temperature_))
    throw InvalidArgument("[--temperature] expected 0 (greedy) or more, found " +
                          std::to_string(temperature_));
  if (!(top_p_ > 0 && top_p_ <= 1))
    throw InvalidArgument("[--top-p] expected a number above 0 and at most 1, found " +
                          std::to_string(top_p_));
}

void throw_not_finite() {
  throw Error(
      "[generate] the model's logits are not finite: its weights are damaged or overflow; check the model "
      "with apiq-inspect --verify");
}

std::int32_t Sampler::choose(std::span<const float> logits) {
  if (!std::all_of(logits.begin(), logits.end(), [](float value) { return std::isfinite(value); }))
    throw_not_finite();
  if (temperature_ == 0)
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  struct Candidate {
    float logit;
    std::int32_t id;
  };
  std::vector<Candidate> order(logits.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = {logits[i], static_cast<std::int32_t>(i)};
  const std::size_t kept = top_k_ != 0 ? std::min<std::size_t>(top_k_, order.size()) : order.size();
  // Ties go to the lower index, so that the order does not depend on the sort.
  const auto before = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  if (kept == order.size()) std::sort(order.begin(), order.end(), before);
  else
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), before);
  std::vector<double> weights(kept);
  double total = 0;
  for (std::size_t i = 0; i < kept; ++i)
    total += weights[i] = std::exp((static_cast<double>(order[i].logit) - order[0].logit) / temperature_);
  double nucleus = 0;
  std::size_t count = 0;
  while (count < kept && nucleus < top_p_ * total) nucleus += weights[count++];
  double left = random_.uniform(draws_++) * nucleus;
  for (std::size_t i = 0; i < count; ++i)
    if ((left -= weights[i]) < 0) return order[i].id;
  return order[count - 1].id;
}

}  // namespace apiq::generate_detail
