// A decoder block in fp64, step by step after its description: what every family's block is compared with and
// differentiated by.
#pragma once
#include <cstddef>
#include <functional>
#include <vector>

#include "family/model_config.hpp"
#include "ops/reference/attention.hpp"
#include "ops/reference/rmsnorm.hpp"
#include "ops/reference/rope.hpp"
#include "ops/reference/swiglu.hpp"

namespace apiq::testing {

using Doubles = std::vector<double>;

struct BlockReference {
  ModelConfig config;
  std::size_t sequences = 1, tokens = 1;
  Doubles x, dy;
  std::vector<Doubles> weights, biases, norms;  // in the order of the spec; no biases: empty
  std::vector<Doubles> moved;                   // by slot: added to its value, to differentiate by it

  std::size_t rows() const { return sequences * tokens; }

  Doubles output() const {
    const BlockSpec& spec = config.block;
    std::vector<Doubles> values(spec.slots.size());
    values[0] = x;
    for (const Step& step : spec.steps) {
      Doubles& to = values[step.to] = compute(step, values);
      if (!moved.empty() && !moved[step.to].empty()) add(to, moved[step.to]);
    }
    return values[spec.output()];
  }

  /// sum of output * dy
  double objective() const {
    const Doubles y = output();
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  }

  /// Of the objective by one of this object's own vectors. Steps of 1e-5: truncation and fp64 rounding are
  /// both about 1e-9.
  Doubles gradient(Doubles& by) {
    Doubles out(by.size());
    for (std::size_t i = 0; i < by.size(); ++i) {
      const double at = by[i], h = 1e-5;
      by[i] = at + h;
      const double up = objective();
      by[i] = at - h;
      out[i] = (up - objective()) / (2 * h);
      by[i] = at;
    }
    return out;
  }

 private:
  static void add(Doubles& a, const Doubles& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  }

  Doubles compute(const Step& step, const std::vector<Doubles>& values) const {
    const Doubles& a = values[step.from[0]];
    switch (step.kind) {
      case StepKind::norm:
        return ops::reference::rmsnorm_fwd(a, norms[step.param], config.block.norms[step.param].eps);
      case StepKind::linear: return linear(step.param, a);
      case StepKind::rope:
        return by_sequence(a, [&](const Doubles& part) {
          const std::size_t dim = config.head_dim, heads = part.size() / tokens / dim;
          return ops::reference::rope(part, heads, dim, static_cast<double>(config.rope_theta), 0, false);
        });
      case StepKind::attention: return attention(a, values[step.from[1]], values[step.from[2]]);
      case StepKind::gate: return ops::reference::swiglu_fwd(a, values[step.from[1]]);
      case StepKind::add: {
        Doubles sum = a;
        add(sum, values[step.from[1]]);
        return sum;
      }
    }
    return {};
  }

  Doubles linear(std::uint32_t l, const Doubles& in) const {
    const std::size_t out = config.block.linears[l].out_features, width = in.size() / rows();
    Doubles y(rows() * out);
    for (std::size_t t = 0; t < rows(); ++t)
      for (std::size_t o = 0; o < out; ++o) {
        double sum = biases.empty() || biases[l].empty() ? 0 : biases[l][o];
        for (std::size_t i = 0; i < width; ++i) sum += in[t * width + i] * weights[l][o * width + i];
        y[t * out + o] = sum;
      }
    return y;
  }

  Doubles sequence(const Doubles& all, std::size_t s) const {
    const auto size = static_cast<std::ptrdiff_t>(all.size() / sequences);
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(s) * size;
    return {begin, begin + size};
  }

  Doubles by_sequence(const Doubles& all, const std::function<Doubles(const Doubles&)>& f) const {
    Doubles out;
    for (std::size_t s = 0; s < sequences; ++s) {
      const Doubles part = f(sequence(all, s));
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  }

  Doubles attention(const Doubles& q, const Doubles& k, const Doubles& v) const {
    Doubles out;
    for (std::size_t s = 0; s < sequences; ++s) {
      const auto a = ops::reference::attention_fwd(sequence(q, s), sequence(k, s), sequence(v, s),
                                                   config.num_attention_heads, config.num_key_value_heads,
                                                   config.head_dim)
                         .out;
      out.insert(out.end(), a.begin(), a.end());
    }
    return out;
  }
};

}  // namespace apiq::testing
