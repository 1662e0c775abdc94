#include "ops/reference/attention.hpp"

#include <algorithm>
#include <cmath>

namespace apiq::ops::reference {

namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

AttentionResult attention_fwd(std::span<const double> q, std::span<const double> k, std::span<const double> v,
                              std::size_t heads, std::size_t kv_heads, std::size_t head_dim) {
  const std::size_t num_queries = q.size() / (heads * head_dim), num_keys = k.size() / (kv_heads * head_dim);
  AttentionResult result{std::vector<double>(q.size()), std::vector<double>(heads * num_queries)};
  for (std::size_t head = 0; head < heads; ++head) {
    const std::size_t kv_head = head / (heads / kv_heads);
    for (std::size_t query = 0; query < num_queries; ++query) {
      const std::size_t row = (query * heads + head) * head_dim;
      std::vector<double> score(num_keys - num_queries + query + 1);
      for (std::size_t key = 0; key < score.size(); ++key)
        score[key] =
            dot(q.subspan(row, head_dim), k.subspan((key * kv_heads + kv_head) * head_dim, head_dim)) /
            std::sqrt(static_cast<double>(head_dim));
      const double largest = *std::max_element(score.begin(), score.end());
      double sum = 0;
      for (const double s : score) sum += std::exp(s - largest);
      result.lse[head * num_queries + query] = largest + std::log(sum);
      for (std::size_t key = 0; key < score.size(); ++key) {
        const double p = std::exp(score[key] - largest) / sum;
        for (std::size_t d = 0; d < head_dim; ++d)
          result.out[row + d] += p * v[(key * kv_heads + kv_head) * head_dim + d];
      }
    }
  }
  return result;
}

AttentionGradients attention_bwd(std::span<const double> q, std::span<const double> k,
                                 std::span<const double> v, std::span<const double> d_out, std::size_t heads,
                                 std::size_t kv_heads, std::size_t head_dim) {
  const std::size_t tokens = q.size() / (heads * head_dim);
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  const AttentionResult forward = attention_fwd(q, k, v, heads, kv_heads, head_dim);
  AttentionGradients result{std::vector<double>(q.size()), std::vector<double>(k.size()),
                            std::vector<double>(v.size())};
  for (std::size_t head = 0; head < heads; ++head)
    for (std::size_t query = 0; query < tokens; ++query) {
      const std::size_t row = (query * heads + head) * head_dim;
      const auto q_row = q.subspan(row, head_dim), d_row = d_out.subspan(row, head_dim);
      const double delta = dot(d_row, std::span(forward.out).subspan(row, head_dim));
      for (std::size_t key = 0; key <= query; ++key) {
        const std::size_t at = (key * kv_heads + head / (heads / kv_heads)) * head_dim;
        const double p =
            std::exp(scale * dot(q_row, k.subspan(at, head_dim)) - forward.lse[head * tokens + query]);
        const double ds = p * (dot(d_row, v.subspan(at, head_dim)) - delta);
        for (std::size_t d = 0; d < head_dim; ++d) {
          result.q[row + d] += scale * ds * k[at + d];
          result.k[at + d] += scale * ds * q_row[d];
          result.v[at + d] += p * d_row[d];
        }
      }
    }
  return result;
}

}  // namespace apiq::ops::reference
