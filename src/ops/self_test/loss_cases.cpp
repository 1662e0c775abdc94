// Losses over rows of logits, and the sums that compare activations.
#include <cmath>

#include "ops/argmax.hpp"
#include "ops/nn.hpp"
#include "ops/reference/loss.hpp"
#include "ops/self_test/cases.hpp"

namespace apiq::ops::self_test {

namespace {

constexpr std::uint64_t kRows = 5, kVocab = 1003;
// log(sum(exp)) over logits within 24 of each other: exp's argument and value, the sums, the log; absolute
// values up to 36.
constexpr double kLogSumExp = 300 * kF32Unit;

std::vector<std::uint32_t> targets() {
  std::vector<std::uint32_t> out;
  for (std::uint32_t r = 0; r < kRows; ++r) out.push_back((r * 7919 + kVocab - 1) % kVocab);
  return out;
}

Measure run_cross_entropy(Queue& queue, DType dtype) {
  std::vector<float> logits = random_values(kRows * kVocab, 1, -12, 12);
  const DeviceTensor d = put(queue, logits, {kRows, kVocab}, dtype), t = put_words(queue, targets(), {kRows});
  const DeviceTensor loss = space(queue, {kRows}), argmax = space(queue, {kRows}, DType::u32);
  ops::cross_entropy_fwd(queue, d, t, loss, argmax);
  const auto want = reference::cross_entropy_fwd(logits, targets());
  std::vector<std::uint32_t> got(kRows);
  queue.read(argmax, got.data());
  return {difference(queue, loss, want.loss) + exactly(got, want.argmax), kLogSumExp};
}

Measure run_cross_entropy_bwd(Queue& queue, DType dtype) {
  std::vector<float> logits = random_values(kRows * kVocab, 1, -12, 12);
  const DeviceTensor d = put(queue, logits, {kRows, kVocab}, dtype), t = put_words(queue, targets(), {kRows}),
                     out = space(queue, {kRows, kVocab}, dtype);
  ops::cross_entropy_bwd(queue, d, t, 0.5f, out);
  return {difference(queue, out, reference::cross_entropy_bwd(logits, targets(), 0.5)),
          kLogSumExp + unit_of(dtype)};
}

Measure run_kl(Queue& queue, DType dtype) {
  std::vector<float> p = random_values(kRows * kVocab, 1, -12, 12),
                     q = random_values(kRows * kVocab, 2, -12, 12);
  const DeviceTensor dp = put(queue, p, {kRows, kVocab}, dtype), dq = put(queue, q, {kRows, kVocab}, dtype),
                     kl = space(queue, {kRows});
  ops::kl_divergence_fwd(queue, dp, dq, kl);
  return {difference(queue, kl, reference::kl_divergence_fwd(p, q, kRows)),
          4 * kLogSumExp};  // two log-sum-exps and a weighted sum
}

Measure run_squared_error(Queue& queue, DType dtype) {
  constexpr std::uint64_t kCount = 5003;
  std::vector<float> y = random_values(kCount, 1), target = random_values(kCount, 2);
  const DeviceTensor dy = put(queue, y, {kCount}, dtype), dt = put(queue, target, {kCount}, dtype),
                     out = space(queue, {kCount}, dtype), loss = space(queue, {1});
  ops::squared_error(queue, dy, dt, 2.0f, out, loss);
  std::vector<double> gradient;
  double sum = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double d = static_cast<double>(y[i]) - target[i];
    gradient.push_back(2 * d);
    sum += d * d;
  }
  // Positive terms: one rounding per addition of a lane, at least 16 of them.
  return {std::max(difference(queue, out, gradient) - unit_of(dtype), difference(queue, loss, {sum})),
          (kCount / 16.0 + 16) * kF32Unit};
}

Measure run_relative_error(Queue& queue, DType dtype) {
  constexpr std::uint64_t kCount = 5003;
  std::vector<float> a = random_values(kCount, 1), b = random_values(kCount, 2);
  const DeviceTensor da = put(queue, a, {kCount}, dtype), db = put(queue, b, {kCount}, dtype),
                     sums = space(queue, {2});
  ops::relative_error_sums(queue, da, db, sums);
  return {difference(queue, sums, reference::relative_error_sums(a, b)), (kCount / 16.0 + 16) * kF32Unit};
}

Measure run_dot(Queue& queue, DType dtype) {
  constexpr std::uint64_t kCount = 5003;
  std::vector<float> a = random_values(kCount, 1), b = random_values(kCount, 2, 0, 1);
  const DeviceTensor da = put(queue, a, {kCount}, dtype), db = put(queue, b, {kCount}, dtype),
                     sum = space(queue, {1});
  ops::dot(queue, da, db, sum);
  double want = 0, magnitude = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    want += static_cast<double>(a[i]) * b[i];
    magnitude += std::fabs(static_cast<double>(a[i]) * b[i]);
  }
  return {difference(queue, sum, {want}),
          4 * kF32Unit * magnitude / std::fabs(want)};  // terms cancel: in units of their magnitudes
}

/// The greedy choice among enough logits for several work-groups, with a tie, and among some that are not all
/// finite.
Measure run_argmax(Queue& queue) {
  std::vector<float> logits = random_values(20011, 3);
  logits[17011] = logits[19000] = 2.0f;
  std::vector<float> broken = logits;
  broken[5] = NAN;
  const DeviceTensor d = put(queue, logits, {logits.size()}), b = put(queue, broken, {broken.size()}),
                     out = space(queue, {2}, DType::u32);
  ops::argmax(queue, d, out.view().rows(0, 1));
  ops::argmax(queue, b, out.view().rows(1, 1));
  std::vector<std::uint32_t> got(2);
  queue.read(out, got.data());
  return {exactly(got, {17011, ops::kNotFinite}), 0};
}

}  // namespace

std::vector<Case> loss_cases() {
  std::vector<Case> out;
  out.push_back({"argmax", "f32", run_argmax});
  for (const DType dtype : {DType::f32, DType::f16}) {
    const std::string type(name_of(dtype));
    out.push_back({"cross_entropy_fwd", type, [=](Queue& queue) { return run_cross_entropy(queue, dtype); }});
    out.push_back(
        {"cross_entropy_bwd", type, [=](Queue& queue) { return run_cross_entropy_bwd(queue, dtype); }});
    out.push_back({"kl_divergence_fwd", type, [=](Queue& queue) { return run_kl(queue, dtype); }});
    out.push_back({"squared_error", type, [=](Queue& queue) { return run_squared_error(queue, dtype); }});
    out.push_back({"dot", type, [=](Queue& queue) { return run_dot(queue, dtype); }});
    out.push_back(
        {"relative_error_sums", type, [=](Queue& queue) { return run_relative_error(queue, dtype); }});
  }
  return out;
}

}  // namespace apiq::ops::self_test
