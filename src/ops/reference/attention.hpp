// Causal attention and its gradients in fp64: plain loops, for tests.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace apiq::ops::reference {

struct AttentionResult {
  std::vector<double> out;  // [num_queries, heads, head_dim]
  std::vector<double> lse;  // [heads, num_queries]
};

/// q [num_queries, heads, head_dim], k and v [num_keys, kv_heads, head_dim]; query i sees keys 0 .. num_keys
/// - num_queries + i.
AttentionResult attention_fwd(std::span<const double> q, std::span<const double> k, std::span<const double> v,
                              std::size_t heads, std::size_t kv_heads, std::size_t head_dim);

struct AttentionGradients {
  std::vector<double> q, k, v;  // shaped like what they belong to
};

/// Gradients of sum(out * d_out) for as many queries as keys.
AttentionGradients attention_bwd(std::span<const double> q, std::span<const double> k,
                                 std::span<const double> v, std::span<const double> d_out, std::size_t heads,
                                 std::size_t kv_heads, std::size_t head_dim);

}  // namespace apiq::ops::reference
