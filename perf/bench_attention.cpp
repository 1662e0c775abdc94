// Attention: prefill and calibration against the rate of a dense product of the same rounds, and against one
// naive product pair (scores and mix through OpenBLAS, scores in memory); the backward pass against the
// forward one; decoding against the read bandwidth.
#include <cblas.h>

#include <cmath>

#include "kernel_bench.hpp"
#include "ops/nn.hpp"

namespace {

using namespace apiq;
using perf::KernelBench;

struct Case {
  std::uint64_t queries, keys, heads, kv_heads, head_dim;
  DType dtype;

  Shape q_shape() const { return {queries, heads, head_dim}; }
  Shape kv_shape() const { return {keys, kv_heads, head_dim}; }

  std::string text() const {
    return std::string(name_of(dtype)) + " " + std::to_string(queries) + " of " + std::to_string(keys) +
           ", " + std::to_string(heads) + "/" + std::to_string(kv_heads) + " heads of " +
           std::to_string(head_dim);
  }

  /// Of one product between rows and the keys they see.
  double product_flops() const {
    const double visible =
        static_cast<double>(queries) * (static_cast<double>(keys) - 0.5 * (static_cast<double>(queries) - 1));
    return 2.0 * visible * static_cast<double>(heads * head_dim);
  }
};

/// Per head: scores = q k^T, softmax of the visible part, out = p v, with OpenBLAS and a plain loop.
void naive_attention(const Case& c, const std::vector<float>& q, const std::vector<float>& kv,
                     std::vector<float>& out) {
  std::vector<float> scores(c.queries * c.keys);
  const auto n = static_cast<blasint>(c.queries), m = static_cast<blasint>(c.keys),
             d = static_cast<blasint>(c.head_dim);
  const auto q_stride = static_cast<blasint>(c.heads * c.head_dim),
             kv_stride = static_cast<blasint>(c.kv_heads * c.head_dim);
  for (std::uint64_t head = 0; head < c.heads; ++head) {
    const std::uint64_t of_kv = head / (c.heads / c.kv_heads) * c.head_dim;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, m, d, 1.0f / std::sqrt(static_cast<float>(d)),
                &q[head * c.head_dim], q_stride, &kv[of_kv], kv_stride, 0.0f, scores.data(), m);
    for (std::uint64_t i = 0; i < c.queries; ++i) {
      float* row = &scores[i * c.keys];
      const std::uint64_t seen = c.keys - c.queries + i + 1;
      const float largest = *std::max_element(row, row + seen);
      float sum = 0;
      for (std::uint64_t j = 0; j < seen; ++j) sum += row[j] = std::exp(row[j] - largest);
      for (std::uint64_t j = 0; j < c.keys; ++j) row[j] = j < seen ? row[j] / sum : 0.0f;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, d, m, 1.0f, scores.data(), m, &kv[of_kv],
                kv_stride, 0.0f, &out[head * c.head_dim], q_stride);
  }
}

void forward(KernelBench& bench, const Case& c) {
  const auto q = bench.tensor(c.q_shape(), c.dtype), k = bench.tensor(c.kv_shape(), c.dtype),
             v = bench.tensor(c.kv_shape(), c.dtype), out = bench.tensor(c.q_shape(), c.dtype);
  const double bytes = 2.0 * static_cast<double>(q.view().bytes() + k.view().bytes());
  const auto ours = [&] { ops::attention_fwd(bench.queue(), q, k, v, out); };
  if (c.queries == 1) return bench.streams("attention_fwd " + c.text(), bytes, ours);
  std::optional<KernelBench::Rival> rival;
  const auto host_q = perf::random_floats(c.q_shape().elements(), 1),
             host_kv = perf::random_floats(c.kv_shape().elements(), 1);
  std::vector<float> host_out(host_q.size());
  if (c.dtype == DType::f32 && bench.queue().device().info().is_cpu)
    rival = {"openblas, scores in memory", {[&](int count) {
               for (int i = 0; i < count; ++i) naive_attention(c, host_q, host_kv, host_out);
             }}};
  bench.computes("attention_fwd " + c.text(), bytes, 2 * c.product_flops(), ours, rival);
}

/// Five products are counted, whatever the kernel recomputes; the forward pass has two.
void backward(KernelBench& bench, const Case& c) {
  const auto q = bench.tensor(c.q_shape(), c.dtype), k = bench.tensor(c.kv_shape(), c.dtype),
             v = bench.tensor(c.kv_shape(), c.dtype), out = bench.tensor(c.q_shape(), c.dtype),
             d_out = bench.tensor(c.q_shape(), c.dtype), d_q = bench.tensor(c.q_shape(), c.dtype),
             d_k = bench.tensor(c.kv_shape(), c.dtype), d_v = bench.tensor(c.kv_shape(), c.dtype),
             lse = bench.tensor({c.heads, c.queries});
  const double bytes = 4.0 * static_cast<double>(q.view().bytes() + k.view().bytes());
  const auto forward_too = [&] { ops::attention_fwd(bench.queue(), q, k, v, out, lse); };
  forward_too();
  bench.computes(
      "attention_bwd " + c.text(), bytes, 5 * c.product_flops(),
      [&] { ops::attention_bwd(bench.queue(), q, k, v, out, lse, d_out, d_q, d_k, d_v); },
      KernelBench::Rival{"attention_fwd", bench.enqueued(forward_too)});
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv);
  const auto device = perf::open_device();
  KernelBench bench("attention", device->queue(), options);
  // The demo model's calibration window; a 7B model's, with and without shared key/value heads; a long one;
  // decoding.
  const Case windows[] = {{256, 256, 8, 4, 32, DType::f32},    {256, 256, 8, 4, 32, DType::f16},
                          {512, 512, 32, 32, 128, DType::f32}, {512, 512, 32, 32, 128, DType::f16},
                          {512, 512, 32, 8, 128, DType::f32},  {2048, 2048, 8, 8, 128, DType::f32},
                          {2048, 2048, 8, 8, 128, DType::f16}};
  for (const Case& c : windows) {
    if (options.wants("attention_fwd " + c.text())) forward(bench, c);
    if (options.wants("attention_bwd " + c.text())) backward(bench, c);
  }
  for (const Case& c : {Case{1, 512, 8, 4, 32, DType::f32}, Case{1, 2048, 32, 32, 128, DType::f16},
                        Case{1, 2048, 32, 8, 128, DType::f16}})
    if (options.wants("attention_fwd " + c.text())) forward(bench, c);
  return 0;
}
