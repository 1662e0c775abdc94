// Dense products in the three forms, few and many rows, both storage types.
#include "ops/gemm.hpp"
#include "ops/reference/gemm.hpp"
#include "ops/self_test/cases.hpp"

namespace apiq::ops::self_test {

namespace {

struct Form {
  const char* name;
  void (*run)(Queue&, Rounding, const TensorView&, const TensorView&, const TensorView&, float, float);
  std::vector<double> (*reference)(std::span<const float>, std::span<const float>, std::span<const float>,
                                   std::size_t, std::size_t, std::size_t, double, double);
  bool a_by_k, b_by_k;  // operand stored [K, ...]
};

constexpr std::size_t kN = 136, kK = 200;

Measure run_product(Queue& queue, const Form& form, std::size_t M, DType dtype) {
  std::vector<float> a = random_values(M * kK, 1), b = random_values(kN * kK, 2),
                     c = random_values(M * kN, 3);
  const DeviceTensor da = put(queue, a, form.a_by_k ? Shape{kK, M} : Shape{M, kK}, dtype);
  const DeviceTensor db = put(queue, b, form.b_by_k ? Shape{kK, kN} : Shape{kN, kK}, dtype);
  const DeviceTensor dc = put(queue, c, {M, kN}, dtype);
  form.run(queue, Rounding::none, da, db, dc, 0.5f, 0.25f);
  // A sum of K random terms is off by about sqrt(K) roundings; K of them are allowed, and those of alpha and
  // beta.
  return {difference(queue, dc, form.reference(a, b, c, M, kN, kK, 0.5, 0.25)),
          (kK + 4) * kF32Unit + unit_of(dtype)};
}

/// Some columns of a wider a, against the product with all of them.
Measure run_columns(Queue& queue) {
  constexpr std::uint64_t kAll = 150, kBegin = 13, kCount = 77;
  std::vector<float> a = random_values(kAll * kK, 1), b = random_values(kN * kK, 2);
  const DeviceTensor da = put(queue, a, {kK, kAll}), db = put(queue, b, {kK, kN}),
                     dc = space(queue, {kCount, kN});
  ops::matmul_tn(queue, Rounding::none, Columns{da, kBegin, kCount}, db, dc);
  const std::vector<double> all = reference::matmul_tn(a, b, {}, kAll, kN, kK);
  return {difference(queue, dc, {all.begin() + kBegin * kN, all.begin() + (kBegin + kCount) * kN}),
          kK * kF32Unit};
}

}  // namespace

std::vector<Case> matmul_cases() {
  const Form forms[] = {{"matmul_nt", matmul_nt, reference::matmul_nt, false, false},
                        {"matmul_nn", matmul_nn, reference::matmul_nn, false, true},
                        {"matmul_tn", matmul_tn, reference::matmul_tn, true, true}};
  std::vector<Case> out;
  for (const Form& form : forms) {
    for (const DType dtype : {DType::f32, DType::f16}) {
      for (const std::size_t M : {1, 7, 130}) {
        out.push_back({form.name, std::string(name_of(dtype)) + ", M " + std::to_string(M),
                       [=](Queue& queue) { return run_product(queue, form, M, dtype); }});
      }
    }
  }
  out.push_back({"matmul_tn", "columns of a wider matrix", run_columns});
  return out;
}

}  // namespace apiq::ops::self_test
