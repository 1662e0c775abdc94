// The parts of a block that are not matrix products: norm, rotation, attention, swiglu, embedding, sums,
// conversion.
#include <algorithm>
#include <bit>

#include "ops/nn.hpp"
#include "ops/reference/attention.hpp"
#include "ops/reference/rmsnorm.hpp"
#include "ops/reference/rope.hpp"
#include "ops/reference/swiglu.hpp"
#include "ops/self_test/cases.hpp"
#include "util/half.hpp"

namespace apiq::ops::self_test {

namespace {

constexpr std::uint64_t kTokens = 19, kFeatures = 300;

Measure run_rmsnorm(Queue& queue, DType dtype, bool backward) {
  constexpr float kEps = 1e-5f;
  std::vector<float> x = random_values(kTokens * kFeatures, 1),
                     weight = random_values(kFeatures, 2, 0.5f, 1.5f),
                     dy = random_values(kTokens * kFeatures, 3);
  const Shape shape{kTokens, kFeatures};
  const DeviceTensor dx = put(queue, x, shape, dtype), dw = put(queue, weight, {kFeatures}),
                     ddy = put(queue, dy, shape, dtype), out = space(queue, shape, dtype);
  const Measure limit{
      0, (kFeatures + 32) * kF32Unit + unit_of(dtype)};  // two sums over the features, and a few operations
  if (backward) {
    ops::rmsnorm_bwd(queue, dx, dw, kEps, ddy, out);
    return {difference(queue, out, reference::rmsnorm_bwd(doubles(x), doubles(weight), kEps, doubles(dy))),
            limit.tolerance};
  }
  ops::rmsnorm_fwd(queue, dx, dw, kEps, out);
  return {difference(queue, out, reference::rmsnorm_fwd(doubles(x), doubles(weight), kEps)), limit.tolerance};
}

Measure run_rope(Queue& queue, DType dtype, std::uint32_t head_dim, bool backward) {
  constexpr std::uint64_t kHeads = 4, kFirst = 100;
  constexpr float kTheta = 10000.0f;
  const DeviceTensor cos = space(queue, {kFirst + kTokens, head_dim / 2}),
                     sin = space(queue, {kFirst + kTokens, head_dim / 2});
  ops::rope_tables(queue, kTheta, head_dim, cos, sin);
  std::vector<float> x = random_values(kTokens * kHeads * head_dim, 1);
  const DeviceTensor dx = put(queue, x, {kTokens, kHeads, head_dim}, dtype);
  (backward ? ops::rope_bwd : ops::rope_fwd)(queue, dx, cos, sin, kFirst);
  // The angles of the tables are f32: off by up to 2^-23 of the position.
  return {difference(queue, dx, reference::rope(doubles(x), kHeads, head_dim, kTheta, kFirst, backward)),
          (kFirst + kTokens) * 0x1p-22 + 4 * kF32Unit + 2 * unit_of(dtype)};
}

Measure run_attention(Queue& queue, DType dtype, std::uint32_t head_dim, std::uint64_t queries,
                      std::uint64_t keys) {
  constexpr std::uint64_t kHeads = 4, kKvHeads = 2;
  std::vector<float> q = random_values(queries * kHeads * head_dim, 1),
                     k = random_values(keys * kKvHeads * head_dim, 2),
                     v = random_values(keys * kKvHeads * head_dim, 3);
  const DeviceTensor dq = put(queue, q, {queries, kHeads, head_dim}, dtype),
                     dk = put(queue, k, {keys, kKvHeads, head_dim}, dtype);
  const DeviceTensor dv = put(queue, v, {keys, kKvHeads, head_dim}, dtype),
                     out = space(queue, {queries, kHeads, head_dim}, dtype),
                     lse = space(queue, {kHeads, queries});
  ops::attention_fwd(queue, dq, dk, dv, out, lse);
  const auto want = reference::attention_fwd(doubles(q), doubles(k), doubles(v), kHeads, kKvHeads, head_dim);
  // Scores are sums of head_dim products whose error enters every weight; outputs are means over the keys,
  // smaller than the values.
  const double tolerance = (4.0 * head_dim + 2.0 * static_cast<double>(keys) + 16) * kF32Unit;
  const double error =
      std::max(difference(queue, out, want.out) - unit_of(dtype), difference(queue, lse, want.lse));
  return {std::max(error, 0.0), tolerance};
}

Measure run_attention_bwd(Queue& queue, DType dtype, std::uint32_t head_dim) {
  constexpr std::uint64_t kHeads = 4, kKvHeads = 2;
  const Shape q_shape{kTokens, kHeads, head_dim}, kv_shape{kTokens, kKvHeads, head_dim};
  std::vector<float> q = random_values(q_shape.elements(), 1), k = random_values(kv_shape.elements(), 2),
                     v = random_values(kv_shape.elements(), 3), d = random_values(q_shape.elements(), 4);
  const DeviceTensor dev_q = put(queue, q, q_shape, dtype), dev_k = put(queue, k, kv_shape, dtype),
                     dev_v = put(queue, v, kv_shape, dtype), d_out = put(queue, d, q_shape, dtype);
  const DeviceTensor out = space(queue, q_shape, dtype), lse = space(queue, {kHeads, kTokens}),
                     d_q = space(queue, q_shape, dtype), d_k = space(queue, kv_shape, dtype),
                     d_v = space(queue, kv_shape, dtype);
  ops::attention_fwd(queue, dev_q, dev_k, dev_v, out, lse);
  ops::attention_bwd(queue, dev_q, dev_k, dev_v, out, lse, d_out, d_q, d_k, d_v);
  const auto want =
      reference::attention_bwd(doubles(q), doubles(k), doubles(v), doubles(d), kHeads, kKvHeads, head_dim);
  // Errors of the forward pass enter twice, as weights and as its output, which may have been rounded to
  // binary16; then sums over the tokens.
  const double tolerance = (12.0 * head_dim + 8.0 * kTokens + 64) * kF32Unit + 4 * unit_of(dtype);
  return {std::max({difference(queue, d_q, want.q), difference(queue, d_k, want.k),
                    difference(queue, d_v, want.v)}),
          tolerance};
}

Measure run_swiglu(Queue& queue, DType dtype, bool backward) {
  constexpr std::uint64_t kCount = 1003;
  std::vector<float> gate = random_values(kCount, 1, -6, 6), up = random_values(kCount, 2),
                     dz = random_values(kCount, 3);
  const DeviceTensor g = put(queue, gate, {kCount}, dtype), u = put(queue, up, {kCount}, dtype),
                     d = put(queue, dz, {kCount}, dtype);
  const DeviceTensor a = space(queue, {kCount}, dtype), b = space(queue, {kCount}, dtype);
  const double tolerance = 16 * kF32Unit + unit_of(dtype);
  if (!backward) {
    ops::swiglu_fwd(queue, g, u, a);
    return {difference(queue, a, reference::swiglu_fwd(doubles(gate), doubles(up))), tolerance};
  }
  ops::swiglu_bwd(queue, g, u, d, a, b);
  const auto want = reference::swiglu_bwd(doubles(gate), doubles(up), doubles(dz));
  return {std::max(difference(queue, a, want.gate), difference(queue, b, want.up)), tolerance};
}

Measure run_embedding(Queue& queue, DType dtype) {
  constexpr std::uint64_t kVocab = 50;
  std::vector<float> table = random_values(kVocab * kFeatures, 1);
  std::vector<std::uint32_t> ids;
  for (std::uint32_t t = 0; t < kTokens; ++t) ids.push_back((t * 37 + 49) % kVocab);
  const DeviceTensor dt = put(queue, table, {kVocab, kFeatures}, dtype),
                     di = put_words(queue, ids, {kTokens}), x = space(queue, {kTokens, kFeatures}, dtype);
  ops::embedding_fwd(queue, dt, di, x);
  std::vector<float> want;
  for (const std::uint32_t id : ids)
    want.insert(want.end(), table.begin() + static_cast<long>(id * kFeatures),
                table.begin() + static_cast<long>((id + 1) * kFeatures));
  return {exactly(runtime::read_floats(queue, x), want), 0};
}

Measure run_add(Queue& queue, DType dtype) {
  constexpr std::uint64_t kCount = 1003;
  std::vector<float> a = random_values(kCount, 1), b = random_values(kCount, 2);
  const DeviceTensor da = put(queue, a, {kCount}, dtype), db = put(queue, b, {kCount}, dtype),
                     y = space(queue, {kCount}, dtype);
  ops::add(queue, da, db, y);
  std::vector<double> want;
  for (std::size_t i = 0; i < kCount; ++i) want.push_back(static_cast<double>(a[i]) + b[i]);
  return {difference(queue, y, want), kF32Unit + unit_of(dtype)};
}

Measure run_scaled_add(Queue& queue, DType dtype) {
  constexpr std::uint64_t kCount = 1003;
  std::vector<float> a = random_values(kCount, 1), b = random_values(kCount, 2);
  const DeviceTensor da = put(queue, a, {kCount}, dtype), db = put(queue, b, {kCount}, dtype),
                     y = space(queue, {kCount}, dtype);
  ops::scaled_add(queue, 0.75f, da, -1.5f, db, y);
  std::vector<double> want;
  for (std::size_t i = 0; i < kCount; ++i) want.push_back(0.75 * a[i] - 1.5 * b[i]);
  return {difference(queue, y, want), 2 * kF32Unit + unit_of(dtype)};
}

Measure run_to_f32(Queue& queue, DType dtype) {
  constexpr std::uint64_t kCount = 1003;
  const std::vector<float> values = random_values(kCount, 1);
  std::vector<std::uint16_t> words;
  std::vector<float> want;
  for (const float x : values) {
    const auto upper = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >>
                                                  16);  // bf16 by truncation: any word will do
    words.push_back(dtype == DType::f16 ? float_to_half(x) : upper);
    want.push_back(dtype == DType::f16 ? half_to_float(words.back())
                                       : std::bit_cast<float>(std::uint32_t{upper} << 16));
  }
  const DeviceTensor x = space(queue, {kCount}, dtype), y = space(queue, {kCount});
  queue.write(x, words.data());
  ops::to_f32(queue, x, y);
  return {exactly(runtime::read_floats(queue, y), want), 0};
}

}  // namespace

std::vector<Case> nn_cases() {
  std::vector<Case> out;
  for (const DType dtype : {DType::f16, DType::bf16})
    out.push_back(
        {"to_f32", std::string(name_of(dtype)), [=](Queue& queue) { return run_to_f32(queue, dtype); }});
  for (const DType dtype : {DType::f32, DType::f16}) {
    const std::string type(name_of(dtype));
    out.push_back({"rmsnorm_fwd", type, [=](Queue& queue) { return run_rmsnorm(queue, dtype, false); }});
    out.push_back({"rmsnorm_bwd", type, [=](Queue& queue) { return run_rmsnorm(queue, dtype, true); }});
    for (const std::uint32_t head_dim : {32, 64, 128}) {
      const std::string heads = type + ", head_dim " + std::to_string(head_dim);
      out.push_back(
          {"rope_fwd", heads, [=](Queue& queue) { return run_rope(queue, dtype, head_dim, false); }});
      out.push_back(
          {"rope_bwd", heads, [=](Queue& queue) { return run_rope(queue, dtype, head_dim, true); }});
      out.push_back({"attention_fwd", heads + ", prefill",
                     [=](Queue& queue) { return run_attention(queue, dtype, head_dim, 37, 37); }});
      out.push_back({"attention_fwd", heads + ", decode",
                     [=](Queue& queue) { return run_attention(queue, dtype, head_dim, 1, 300); }});
      out.push_back(
          {"attention_bwd", heads, [=](Queue& queue) { return run_attention_bwd(queue, dtype, head_dim); }});
    }
    out.push_back({"swiglu_fwd", type, [=](Queue& queue) { return run_swiglu(queue, dtype, false); }});
    out.push_back({"swiglu_bwd", type, [=](Queue& queue) { return run_swiglu(queue, dtype, true); }});
    out.push_back({"embedding_fwd", type, [=](Queue& queue) { return run_embedding(queue, dtype); }});
    out.push_back({"add", type, [=](Queue& queue) { return run_add(queue, dtype); }});
    out.push_back({"scaled_add", type, [=](Queue& queue) { return run_scaled_add(queue, dtype); }});
  }
  return out;
}

}  // namespace apiq::ops::self_test
