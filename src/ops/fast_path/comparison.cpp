// Real sizes: is it near what the portable kernel computes, and how long does it take?
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>

#include "apiq/error.hpp"
#include "ops/fast_path/trial.hpp"
#include "ops/fast_path/trial_data.hpp"
#include "ops/gemm.hpp"
#include "util/half.hpp"
#include "util/random.hpp"

namespace apiq::ops {

using runtime::DeviceTensor;

namespace {

struct Sizes {
  std::uint64_t few, many, N, K;
};

/// On a GPU a layer of a small model, for some milliseconds a product. CPUs run paths only in tests.
Sizes sizes_of(Queue& queue) {
  return queue.device().info().is_cpu ? Sizes{4, 64, 64, 128} : Sizes{16, 512, 2048, 2048};
}

std::vector<float> random_values(std::uint64_t count, std::uint64_t stream) {
  const CounterRandom random(0xfa57, stream);
  std::vector<float> out(count);
  for (std::uint64_t i = 0; i < count; ++i) out[i] = 2 * random.uniform(i) - 1;
  return out;
}

/// One product with M rows of the result on random inputs, and the norms that bound its rounding: |a_m| and
/// |b_n| along k.
struct RealProduct {
  DeviceTensor a, b, c;
  trial::PackedWeight w;
  ProductCall call;
  std::vector<double> row_norms, column_norms;
  std::uint64_t inner;

  RealProduct(Queue& queue, ProductKind product, std::uint64_t M, std::uint64_t N, std::uint64_t K)
      : inner(K) {
    const bool forward = product == ProductKind::packed_forward,
               packed = forward || product == ProductKind::packed_dx,
               a_by_k = product != ProductKind::dense_tn, b_by_k = product == ProductKind::dense_nt;
    const std::vector<float> a_host = random_values(M * K, 1);
    row_norms = norms(a_host, M, K, a_by_k);
    a = trial::put(queue, a_host, a_by_k ? Shape{M, K} : Shape{K, M});
    c = trial::space(queue, {M, N});
    if (packed) {
      w = trial::packed_integers(queue, 2, 64, static_cast<std::uint32_t>(forward ? N : K),
                                 static_cast<std::uint32_t>(forward ? K : N), 0, forward);
      column_norms = norms(w.weight, N, K, forward);
    } else {
      const std::vector<float> b_host = random_values(N * K, 2);
      column_norms = norms(b_host, N, K, b_by_k);
      b = trial::put(queue, b_host, b_by_k ? Shape{N, K} : Shape{K, N});
    }
    call = {.product = product,
            .a = a,
            .b = b,
            .c = c,
            .alpha = 1,
            .beta = 0,
            .a_stride = 0,
            .w = packed ? w.view() : PackedWeightView{},
            .lora = {}};
  }

 private:
  static std::vector<double> norms(const std::vector<float>& values, std::uint64_t lines, std::uint64_t K,
                                   bool by_k) {
    std::vector<double> out(lines, 0.0);
    for (std::uint64_t line = 0; line < lines; ++line) {
      for (std::uint64_t k = 0; k < K; ++k) {
        const double value = values[by_k ? line * K + k : k * lines + line];
        out[line] += value * value;
      }
      out[line] = std::sqrt(out[line]);
    }
    return out;
  }
};

/// Relative rounding of an input.
double unit_of(Rounding rounding) {
  return rounding == Rounding::none ? 0 : rounding == Rounding::f16 ? 0x1p-11 : 0x1p-8;
}

/// Each of K terms carries the rounding of two inputs, and one addition in f32 on either side, cut off rather
/// than rounded at worst; the terms' magnitudes add up to at most |a_m| |b_n| (Cauchy and Schwarz).
std::string compare(Queue& queue, const FastPath& path, ProductKind product) {
  const Sizes s = sizes_of(queue);
  const RealProduct real(queue, product, s.many, s.N, s.K);
  run_portable(queue, real.call);
  const std::vector<float> want = runtime::read_floats(queue, real.c);
  queue.fill_zero(real.c);
  path.run(queue, real.call);
  const std::vector<float> got = runtime::read_floats(queue, real.c);
  const double u = unit_of(path.rounding), allowed = 2 * u + u * u + 2 * static_cast<double>(s.K) * 0x1p-23;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double bound = allowed * real.row_norms[i / s.N] * real.column_norms[i % s.N];
    if (std::fabs(static_cast<double>(got[i]) - want[i]) <= bound) continue;  // false for NaN
    return std::string(name_of(product)) + ": row " + std::to_string(i / s.N) + ", column " +
           std::to_string(i % s.N) + " is " + std::to_string(got[i]) + ", by the portable kernel " +
           std::to_string(want[i]) + "; rounding explains " + std::to_string(bound);
  }
  return {};
}

/// Least seconds of a few rounds; each enqueues several products, so that launches overlap as they do in a
/// model.
double least_seconds(Queue& queue, const std::function<void()>& work) {
  const int rounds = queue.device().info().is_cpu ? 2 : 5,
            times = queue.device().info().is_cpu ? 1 : 4;  // on CPUs only in tests
  work();                                                  // compiles
  queue.finish();
  double least = std::numeric_limits<double>::infinity();
  for (int round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) work();
    queue.finish();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return least;
}

}  // namespace

std::string comparison(Queue& queue, const FastPath& path) {
  for (const ProductKind product : path.products)
    if (std::string found = compare(queue, path, product); !found.empty()) return found;
  return {};
}

std::vector<FastPathSpeed> speeds(Queue& queue, const FastPath& path) {
  const Sizes s = sizes_of(queue);
  std::vector<FastPathSpeed> out;
  for (const ProductKind product : path.products)
    for (const Rows rows : {Rows::few, Rows::many}) {
      const RealProduct real(queue, product, rows == Rows::few ? s.few : s.many, s.N, s.K);
      const double portable = least_seconds(queue, [&] { run_portable(queue, real.call); });
      const double fast = least_seconds(queue, [&] { path.run(queue, real.call); });
      out.push_back({std::string(name_of(product)), std::string(name_of(rows)), portable / fast});
    }
  return out;
}

void run_portable(Queue& queue, const ProductCall& call) {
  switch (call.product) {
    case ProductKind::dense_nt:
      return matmul_nt(queue, Rounding::none, call.a, call.b, call.c, call.alpha, call.beta);
    case ProductKind::dense_nn:
      return matmul_nn(queue, Rounding::none, call.a, call.b, call.c, call.alpha, call.beta);
    case ProductKind::dense_tn:
      return matmul_tn(queue, Rounding::none, call.a, call.b, call.c, call.alpha, call.beta);
    case ProductKind::packed_forward:
      return qmatmul(queue, Rounding::none, call.w, call.lora, call.a, call.c);
    case ProductKind::packed_dx: return qmatmul_bwd(queue, Rounding::none, call.w, call.lora, call.a, call.c);
  }
}

}  // namespace apiq::ops
