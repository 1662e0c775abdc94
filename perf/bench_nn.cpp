// The operations of a block that are not matrix products, at the sizes of the demo model (256 tokens) and of a 7B model's decoding,
// against the machine's read bandwidth. Attention over many rows against the rate of a dense product of the same rounds, and against one
// naive product pair: scores and mix through OpenBLAS; its backward pass against the forward one.
#include <cblas.h>

#include <cmath>

#include "harness.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"

namespace {

using namespace apiq;
using perf::Contender;

/// What bounds an operation: memory, or arithmetic as dense products reach it.
enum class Limit { bandwidth, matmul_rate };

struct Rival {
  const char* name;
  Contender contender;
};

struct Bench {
  runtime::Queue& queue;
  const perf::Options& options;
  double bandwidth;

  runtime::DeviceTensor tensor(const Shape& shape, DType dtype = DType::f32) const {
    runtime::DeviceTensor out(queue.device(), dtype, shape, "benchmark operand");
    if (dtype == DType::f32) queue.write(out, perf::random_floats(shape.elements(), 1).data());
    else queue.fill_zero(out);
    return out;
  }

  Contender enqueued(const std::function<void()>& enqueue) const {
    return {[this, enqueue](int count) {
      for (int i = 0; i < count; ++i) enqueue();
      queue.finish();
    }};
  }

  /// Times `enqueue` and prints its line; `bytes`: every operand once. The matmul rate is that of our own product, timed in the same rounds.
  void time(const std::string& name, Limit limit, double bytes, double flops, const std::function<void()>& enqueue,
            const Rival* rival = nullptr) const {
    if (name.find(options.filter) == std::string::npos) return;
    std::vector<Contender> contenders{enqueued(enqueue)};
    constexpr std::uint64_t n = 1024;
    const auto a = tensor({n, n}), b = tensor({n, n}), c = tensor({n, n});
    if (limit == Limit::matmul_rate) contenders.push_back(enqueued([&] { ops::matmul_nt(queue, a, b, c, 1.0f, 0.0f); }));
    if (rival != nullptr) contenders.push_back(rival->contender);
    const auto timings = perf::interleave(contenders, options.rounds);
    perf::Result result{.benchmark = "nn",
                        .name = name,
                        .ours = timings[0],
                        .bytes = bytes,
                        .flops = flops,
                        .limit_name = "read bandwidth",
                        .limit = bandwidth,
                        .rival = "",
                        .rivals = {}};
    if (limit == Limit::matmul_rate) {
      result.limit_name = "fp32 matmul rate";
      result.limit = 2.0 * n * n * n / 1e6 / timings[1].median;
    }
    if (rival != nullptr) {
      result.rival = rival->name;
      result.rivals = timings.back();
    }
    perf::print(result, queue.device().info());
  }
};

/// Elementwise and row operations on 256 tokens of the demo model.
void row_operations(const Bench& bench) {
  const std::uint64_t tokens = 256, hidden = 256, intermediate = 768;
  const auto x = bench.tensor({tokens, hidden}), y = bench.tensor({tokens, hidden}), dx = bench.tensor({tokens, hidden}),
             weight = bench.tensor({hidden});
  const double rows = 4.0 * static_cast<double>(tokens * hidden), wide = 4.0 * static_cast<double>(tokens * intermediate);
  auto& queue = bench.queue;
  bench.time("rmsnorm_fwd 256x256", Limit::bandwidth, 2 * rows, 0, [&] { ops::rmsnorm_fwd(queue, x, weight, 1e-5f, y); });
  bench.time("rmsnorm_bwd 256x256", Limit::bandwidth, 3 * rows, 0, [&] { ops::rmsnorm_bwd(queue, x, weight, 1e-5f, y, dx); });
  bench.time("add 256x256", Limit::bandwidth, 3 * rows, 0, [&] { ops::add(queue, x, y, dx); });
  const auto gate = bench.tensor({tokens, intermediate}), up = bench.tensor({tokens, intermediate}), z = bench.tensor({tokens, intermediate});
  const auto d_gate = bench.tensor({tokens, intermediate}), d_up = bench.tensor({tokens, intermediate});
  bench.time("swiglu_fwd 256x768", Limit::bandwidth, 3 * wide, 0, [&] { ops::swiglu_fwd(queue, gate, up, z); });
  bench.time("swiglu_bwd 256x768", Limit::bandwidth, 5 * wide, 0, [&] { ops::swiglu_bwd(queue, gate, up, z, d_gate, d_up); });
  const auto cos = bench.tensor({512, 16}), sin = bench.tensor({512, 16});
  ops::rope_tables(queue, 10000.0f, 32, cos, sin);
  bench.time("rope_fwd 256x8x32", Limit::bandwidth, 2 * rows, 0, [&] { ops::rope_fwd(queue, x.view().reshaped({tokens, 8, 32}), cos, sin, 0); });
}

struct AttentionCase {
  std::uint64_t queries, keys, heads, kv_heads, head_dim;
  DType dtype;
};

/// Per head: scores = q k^T, softmax of the visible part, out = p v, with OpenBLAS and a plain loop.
void naive_attention(const AttentionCase& c, const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v,
                     std::vector<float>& out) {
  std::vector<float> scores(c.queries * c.keys);
  const auto n = static_cast<blasint>(c.queries), m = static_cast<blasint>(c.keys), d = static_cast<blasint>(c.head_dim);
  const auto q_stride = static_cast<blasint>(c.heads * c.head_dim), kv_stride = static_cast<blasint>(c.kv_heads * c.head_dim);
  for (std::uint64_t head = 0; head < c.heads; ++head) {
    const std::uint64_t kv = head / (c.heads / c.kv_heads) * c.head_dim;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, m, d, 1.0f / std::sqrt(static_cast<float>(d)), &q[head * c.head_dim], q_stride, &k[kv],
                kv_stride, 0.0f, scores.data(), m);
    for (std::uint64_t i = 0; i < c.queries; ++i) {
      float* row = &scores[i * c.keys];
      const std::uint64_t seen = c.keys - c.queries + i + 1;
      const float largest = *std::max_element(row, row + seen);
      float sum = 0;
      for (std::uint64_t j = 0; j < seen; ++j) sum += row[j] = std::exp(row[j] - largest);
      for (std::uint64_t j = 0; j < c.keys; ++j) row[j] = j < seen ? row[j] / sum : 0.0f;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, d, m, 1.0f, scores.data(), m, &v[kv], kv_stride, 0.0f, &out[head * c.head_dim],
                q_stride);
  }
}

std::string text(const AttentionCase& c) {
  return std::string(name_of(c.dtype)) + " " + std::to_string(c.queries) + " of " + std::to_string(c.keys) + ", " + std::to_string(c.heads) + "/" +
         std::to_string(c.kv_heads) + " heads of " + std::to_string(c.head_dim);
}

/// Of one product between rows and the keys they see.
double product_flops(const AttentionCase& c) {
  const double visible = static_cast<double>(c.queries) * (static_cast<double>(c.keys) - 0.5 * (static_cast<double>(c.queries) - 1));
  return 2.0 * visible * static_cast<double>(c.heads * c.head_dim);
}

void attention(const Bench& bench, const AttentionCase& c) {
  const Shape q_shape{c.queries, c.heads, c.head_dim}, kv_shape{c.keys, c.kv_heads, c.head_dim};
  const auto q = bench.tensor(q_shape, c.dtype), k = bench.tensor(kv_shape, c.dtype), v = bench.tensor(kv_shape, c.dtype),
             out = bench.tensor(q_shape, c.dtype);
  const double bytes = 2.0 * static_cast<double>(q.view().bytes() + k.view().bytes());
  const auto host_q = perf::random_floats(q_shape.elements(), 1), host_k = perf::random_floats(kv_shape.elements(), 1);
  std::vector<float> host_out(q_shape.elements());
  const Rival rival{"openblas, scores in memory", {[&](int count) {
                      for (int i = 0; i < count; ++i) naive_attention(c, host_q, host_k, host_k, host_out);
                    }}};
  bench.time(
      "attention_fwd " + text(c), c.queries == 1 ? Limit::bandwidth : Limit::matmul_rate, bytes, 2 * product_flops(c),
      [&] { ops::attention_fwd(bench.queue, q, k, v, out); }, c.dtype == DType::f32 ? &rival : nullptr);
}

/// The backward pass, five products; its rival is our forward pass, which computes two.
void attention_backward(const Bench& bench, const AttentionCase& c) {
  const Shape q_shape{c.queries, c.heads, c.head_dim}, kv_shape{c.keys, c.kv_heads, c.head_dim};
  const auto q = bench.tensor(q_shape, c.dtype), k = bench.tensor(kv_shape, c.dtype), v = bench.tensor(kv_shape, c.dtype),
             out = bench.tensor(q_shape, c.dtype), d_out = bench.tensor(q_shape, c.dtype), d_q = bench.tensor(q_shape, c.dtype),
             d_k = bench.tensor(kv_shape, c.dtype), d_v = bench.tensor(kv_shape, c.dtype), lse = bench.tensor({c.heads, c.queries});
  const double bytes = 4.0 * static_cast<double>(q.view().bytes() + k.view().bytes());
  const auto forward = [&] { ops::attention_fwd(bench.queue, q, k, v, out, lse); };
  const Rival rival{"attention_fwd", bench.enqueued(forward)};
  forward();
  bench.time(
      "attention_bwd " + text(c), Limit::matmul_rate, bytes, 5 * product_flops(c),
      [&] { ops::attention_bwd(bench.queue, q, k, v, out, lse, d_out, d_q, d_k, d_v); }, &rival);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv);
  const auto device = perf::open_device();
  const Bench bench{device->queue(), options, perf::read_gb_per_second(device->queue())};
  row_operations(bench);
  for (const AttentionCase& c : {AttentionCase{256, 256, 8, 4, 32, DType::f32}, AttentionCase{256, 256, 8, 4, 32, DType::f16},
                                 AttentionCase{512, 512, 8, 8, 128, DType::f32}, AttentionCase{512, 512, 32, 32, 128, DType::f32},
                                 AttentionCase{1, 512, 8, 4, 32, DType::f32}, AttentionCase{1, 2048, 32, 32, 128, DType::f16}})
    attention(bench, c);
  for (const AttentionCase& c : {AttentionCase{256, 256, 8, 4, 32, DType::f32}, AttentionCase{512, 512, 32, 32, 128, DType::f32}})
    attention_backward(bench, c);
  return 0;
}
