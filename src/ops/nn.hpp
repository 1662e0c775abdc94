// The parts of a Llama block that are not matrix products. Activations are f32 or f16 (all of one call
// alike); arithmetic and statistics are fp32. Everything is enqueued and returns at once; ShapeError,
// DeviceError.
#pragma once
#include "runtime/queue.hpp"

namespace apiq::ops {

using runtime::Queue;
using runtime::TensorView;

/// y = x / sqrt(mean(x^2) + eps) * weight.   x, y [num_tokens, features]; weight f32 [features]. y may alias
/// x.
void rmsnorm_fwd(Queue& queue, const TensorView& x, const TensorView& weight, float eps, const TensorView& y);

/// dx = w dy / rho - x / (n rho^3) * sum(w dy x), rho = sqrt(mean(x^2) + eps).   dx may alias dy.
void rmsnorm_bwd(Queue& queue, const TensorView& x, const TensorView& weight, float eps, const TensorView& dy,
                 const TensorView& dx);

/// cos, sin f32 [max_positions, head_dim / 2] of position * theta^(-2j / head_dim), filled on the host in f32
/// as Hugging Face does.
void rope_tables(Queue& queue, float theta, std::uint32_t head_dim, const TensorView& cos,
                 const TensorView& sin);

/// Half-split rotation in place: x [num_tokens, heads, head_dim], token t at position first_position + t.
void rope_fwd(Queue& queue, const TensorView& x, const TensorView& cos, const TensorView& sin,
              std::uint32_t first_position);
/// The transposed rotation (gradient), in place.
void rope_bwd(Queue& queue, const TensorView& dx, const TensorView& cos, const TensorView& sin,
              std::uint32_t first_position);

/// Causal attention with grouped key/value heads, scale 1 / sqrt(head_dim), without a tokens x tokens matrix
/// in memory.
///   q [num_queries, heads, head_dim], k and v [num_keys, kv_heads, head_dim], out [num_queries, heads,
///   head_dim]; query i sees keys 0 .. num_keys - num_queries + i (num_queries = 1: decoding; num_queries =
///   num_keys: prefill).
/// lse f32 [heads, num_queries] receives log(sum(exp(score))) for a backward pass; pass an empty view (memory
/// nullptr) to skip it.
void attention_fwd(Queue& queue, const TensorView& q, const TensorView& k, const TensorView& v,
                   const TensorView& out, const TensorView& lse = {});

/// Gradients of attention_fwd for num_queries == num_keys (calibration); q, k, v, out, lse as it had and gave
/// them.
///   q, out, d_out, d_q [tokens, heads, head_dim]; k, v, d_k, d_v [tokens, kv_heads, head_dim], all f32 or
///   all f16; lse f32 [heads, tokens]. p = exp(q k / sqrt(head_dim) - lse), ds = p (d_out v - sum(d_out
///   out)); d_v = p^T d_out, d_q = ds k / sqrt(head_dim), d_k = ds^T q / sqrt(head_dim), the last and d_v
///   summed over the heads that share a key.
/// d_q may alias q, out or d_out; nothing else may alias. Sums in a fixed order: the same device gives the
/// same bytes. Scratch on CPUs: f32 sums of d_k and d_v, in as many copies as fill the device but at most 64
/// MiB (one copy always; none where it is one and the tensors are f32); on other devices f32 [heads, tokens].
/// Throws Unsupported if the device's local memory cannot hold a tile.   Kernels: cl/nn/attention_bwd.cl,
/// cl/nn/attention_bwd_tiles.cl.
void attention_bwd(Queue& queue, const TensorView& q, const TensorView& k, const TensorView& v,
                   const TensorView& out, const TensorView& lse, const TensorView& d_out,
                   const TensorView& d_q, const TensorView& d_k, const TensorView& d_v);

/// Workspace bytes that attention_bwd of f32 tensors may take on a device with so many compute units, at
/// most.
std::uint64_t attention_bwd_scratch_bytes(std::uint64_t compute_units, std::uint64_t tokens,
                                          std::uint64_t heads, std::uint64_t kv_heads,
                                          std::uint64_t head_dim);

/// z = silu(gate) * up.   All [n].  z may alias either.
void swiglu_fwd(Queue& queue, const TensorView& gate, const TensorView& up, const TensorView& z);
/// d_gate, d_up from dz; may alias gate, up.
void swiglu_bwd(Queue& queue, const TensorView& gate, const TensorView& up, const TensorView& dz,
                const TensorView& d_gate, const TensorView& d_up);

/// x[t] = table[ids[t]].   table f32|f16 [vocab, hidden], ids u32 [num_tokens], x [num_tokens, hidden].
void embedding_fwd(Queue& queue, const TensorView& table, const TensorView& ids, const TensorView& x);

/// y = a + b, elementwise over equal counts; y may alias a or b.
void add(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& y);
/// y = alpha a + beta b, likewise: beta b is rounded, then the sum.
void scaled_add(Queue& queue, float alpha, const TensorView& a, float beta, const TensorView& b,
                const TensorView& y);

/// y += bias for every row.   y [rows, features], bias f32 [features].
void add_bias(Queue& queue, const TensorView& bias, const TensorView& y);

/// y = x, exactly: x f16, bf16 or f32, y f32, equal counts. y must not alias x.
void to_f32(Queue& queue, const TensorView& x, const TensorView& y);

/// Per row of logits [rows, vocab]: loss[r] = log(sum(exp(logits))) - logits[target], argmax[r] (lowest index
/// of the largest).
///   targets u32 [rows], loss f32 [rows], argmax u32 [rows].  A target that is not below vocab marks a row
///   that does not count: loss 0, gradient 0. Logits may be -inf (masked).
void cross_entropy_fwd(Queue& queue, const TensorView& logits, const TensorView& targets,
                       const TensorView& loss, const TensorView& argmax);

/// d_logits = (softmax(logits) - onehot(target)) * scale; d_logits may alias logits.
void cross_entropy_bwd(Queue& queue, const TensorView& logits, const TensorView& targets, float scale,
                       const TensorView& d_logits);

/// Per row: kl[r] = sum p (log p - log q) with p = softmax(reference), q = softmax(logits); both [rows,
/// vocab]; kl f32 [rows], never negative, and accurate also where both rows are nearly equal.
void kl_divergence_fwd(Queue& queue, const TensorView& reference, const TensorView& logits,
                       const TensorView& kl);

/// d_y = (y - target) * scale, and loss f32 [1] = sum (y - target)^2 in a fixed order, to 2.5e-7 of its
/// value.
///   y, target, d_y of one shape and type; d_y may alias y.
void squared_error(Queue& queue, const TensorView& y, const TensorView& target, float scale,
                   const TensorView& d_y, const TensorView& loss);

/// sums f32 [2] = { sum (a - b)^2, sum b^2 } in a fixed order: relative error = sums[0] / sums[1].
void relative_error_sums(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& sums);

/// Workspace bytes that squared_error, relative_error_sums and dot take for tensors of so many elements, at
/// most.
std::uint64_t error_scratch_bytes(std::uint64_t elements);

/// sum f32 [1] = sum a b over equal shapes and types, in a fixed order, to 2.5e-7 of sum |a b|.
void dot(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& sum);

}  // namespace apiq::ops
