#include <cmath>
#include <string>

#include "apiq/error.hpp"
#include "ops/fast_path/trial.hpp"
#include "ops/fast_path/trial_data.hpp"

namespace apiq::ops {

using runtime::DeviceTensor;

namespace {

// Two tiles and a ragged one each way for work-groups of 64 x 64 and smaller ones, a second tile for 128 x
// 128; several instructions of 8 or 16 along k, the last one not full. The largest sum is 88 * 128 * 128
// (twice that for alpha, and c): below 2^24, so that f32 holds every partial sum exactly.
constexpr std::uint64_t kM = 147, kN = 136, kK = 88;
// Packed: whole groups and chunks along k, several row blocks, the last one ragged.
constexpr std::uint32_t kOut = 136, kIn = 192, kGroup = 64, kRank = 24;

/// The first place where the device differs, in words.
std::string first_difference(Queue& queue, const TensorView& got, const std::vector<double>& want,
                             const std::string& what) {
  const std::vector<float> values = runtime::read_floats(queue, got);
  const std::uint64_t columns = got.shape[1];
  std::size_t wrong = 0, first = 0;
  for (std::size_t i = want.size(); i-- > 0;)
    if (static_cast<double>(values[i]) != want[i]) {  // also for NaN
      ++wrong;
      first = i;
    }
  if (wrong == 0) return {};
  return what + ": " + std::to_string(wrong) + " of " + std::to_string(want.size()) +
         " known answers are wrong, first at row " + std::to_string(first / columns) + ", column " +
         std::to_string(first % columns) + ": expected " + std::to_string(want[first]) + ", got " +
         std::to_string(values[first]);
}

/// alpha * a b + beta * c over logical a [M, K], b [K, N] of small integers.
std::vector<double> dense_answers(double alpha, double beta) {
  std::vector<double> out(kM * kN);
  for (std::uint64_t m = 0; m < kM; ++m)
    for (std::uint64_t n = 0; n < kN; ++n) {
      double sum = 0;
      for (std::uint64_t k = 0; k < kK; ++k)
        sum += static_cast<double>(trial::small_integer(m, k, 1)) * trial::small_integer(k, n, 2);
      out[m * kN + n] = alpha * sum + beta * trial::small_integer(m, n, 3);
    }
  return out;
}

/// c starts as NaN where beta is 0: it must not be read.
std::vector<float> start_of_c(bool read) {
  return read ? trial::small_integers(kM, kN, 3) : std::vector<float>(kM * kN, NAN);
}

std::string dense(Queue& queue, const FastPath& path, ProductKind product, DType dtype) {
  const bool a_by_k = product != ProductKind::dense_tn, b_by_k = product == ProductKind::dense_nt;
  const DeviceTensor a = trial::put(queue, trial::small_integers(kM, kK, 1, !a_by_k),
                                    a_by_k ? Shape{kM, kK} : Shape{kK, kM}, dtype);
  const DeviceTensor b = trial::put(queue, trial::small_integers(kK, kN, 2, b_by_k),
                                    b_by_k ? Shape{kN, kK} : Shape{kK, kN}, dtype);
  for (const bool accumulates : {false, true}) {
    const DeviceTensor c = trial::put(queue, start_of_c(accumulates), {kM, kN});
    const float alpha = accumulates ? 2.0f : 1.0f, beta = accumulates ? 1.0f : 0.0f;
    path.run(queue, {.product = product,
                     .a = a,
                     .b = b,
                     .c = c,
                     .alpha = alpha,
                     .beta = beta,
                     .a_stride = 0,
                     .w = {},
                     .lora = {}});
    const std::string what = std::string(name_of(product)) + " of " + std::string(name_of(dtype)) +
                             (accumulates ? ", added to c" : "");
    if (std::string found = first_difference(queue, c, dense_answers(alpha, beta), what); !found.empty())
      return found;
  }
  return {};
}

/// Forward x W^T + scaling (x A^T) B^T, backward x W + scaling (x B) A, with x small integers.
std::vector<double> packed_answers(const trial::PackedWeight& w, std::uint64_t tokens, bool forward) {
  const PackedLayout& layout = w.buffers.layout();
  const std::uint64_t out = layout.out_features, in = layout.in_features, lines = forward ? out : in,
                      depth = forward ? in : out;
  const auto weight = [&](std::uint64_t line, std::uint64_t k) {
    return static_cast<double>(forward ? w.weight[line * in + k] : w.weight[k * in + line]);
  };
  const auto first = [&](std::uint32_t r, std::uint64_t k) {
    return static_cast<double>(forward ? w.lora_A[r * in + k] : w.lora_B[k * w.rank + r]);
  };
  const auto second = [&](std::uint32_t r, std::uint64_t line) {
    return static_cast<double>(forward ? w.lora_B[line * w.rank + r] : w.lora_A[r * in + line]);
  };
  std::vector<double> y(tokens * lines, 0.0), t(w.rank);
  for (std::uint64_t token = 0; token < tokens; ++token) {
    const auto x = [&](std::uint64_t k) { return static_cast<double>(trial::small_integer(token, k, 5)); };
    for (std::uint32_t r = 0; r < w.rank; ++r) {
      t[r] = 0;
      for (std::uint64_t k = 0; k < depth; ++k) t[r] += w.scaling * x(k) * first(r, k);
    }
    for (std::uint64_t line = 0; line < lines; ++line) {
      double& sum = y[token * lines + line];
      for (std::uint64_t k = 0; k < depth; ++k) sum += x(k) * weight(line, k);
      for (std::uint32_t r = 0; r < w.rank; ++r) sum += t[r] * second(r, line);
    }
  }
  return y;
}

std::string packed(Queue& queue, const FastPath& path, ProductKind product, std::uint32_t bits,
                   std::uint32_t rank, DType dtype) {
  const bool forward = product == ProductKind::packed_forward;
  const trial::PackedWeight w = trial::packed_integers(queue, bits, kGroup, kOut, kIn, rank, forward);
  const std::uint64_t depth = forward ? kIn : kOut, lines = forward ? kOut : kIn;
  for (const std::uint64_t tokens : {std::uint64_t{5}, std::uint64_t{70}}) {  // few and many rows
    const DeviceTensor x = trial::put(queue, trial::small_integers(tokens, depth, 5), {tokens, depth}, dtype),
                       y = trial::space(queue, {tokens, lines});
    path.run(queue, {.product = product,
                     .a = x,
                     .b = {},
                     .c = y,
                     .alpha = 1,
                     .beta = 0,
                     .a_stride = 0,
                     .w = w.view(),
                     .lora = w.lora()});
    const std::string what = std::string(name_of(product)) + " of " + std::string(name_of(dtype)) + ", " +
                             std::to_string(bits) + " bits, rank " + std::to_string(rank) + ", " +
                             std::to_string(tokens) + " tokens";
    if (std::string found = first_difference(queue, y, packed_answers(w, tokens, forward), what);
        !found.empty())
      return found;
  }
  return {};
}

std::string all_of(Queue& queue, const FastPath& path, ProductKind product) {
  // A path for f32 products never sees f16 tensors. Elsewhere once per family of kernels: loaders are shared
  // by the forms. Paths for tests save the builds; tests/ops cover their loaders.
  const bool f16_storage = path.rounding != Rounding::none && !path.by_name_only &&
                           product != ProductKind::dense_nn && product != ProductKind::dense_tn;
  if (product == ProductKind::packed_forward || product == ProductKind::packed_dx) {
    for (const std::uint32_t bits : {2u, 3u, 4u}) {
      if (path.by_name_only && bits != 3) continue;
      if (std::string found = packed(queue, path, product, bits, bits == 2 ? 0 : kRank, DType::f32);
          !found.empty())
        return found;
    }
    return f16_storage ? packed(queue, path, product, 2, kRank, DType::f16) : std::string();
  }
  if (std::string found = dense(queue, path, product, DType::f32); !found.empty()) return found;
  return f16_storage ? dense(queue, path, product, DType::f16) : std::string();
}

}  // namespace

std::string known_answers(Queue& queue, const FastPath& path) {
  for (const ProductKind product : path.products)
    if (std::string found = all_of(queue, path, product); !found.empty()) return found;
  return {};
}

}  // namespace apiq::ops
