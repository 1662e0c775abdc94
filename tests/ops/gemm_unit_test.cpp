// Dense products on the emulated matrix unit: NVIDIA's fragment layout in software, so that staging, tiling, fragments and epilogue of the
// shared kernels run here as they do on such a device.
#include "ops/gemm_unit.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "ops/reference/gemm.hpp"

namespace apiq {
namespace {

using namespace testing;
using runtime::DeviceTensor;
using runtime::InputType;
using runtime::MatrixUnit;
using runtime::UnitMode;

enum class Form { nt, nn, tn };

struct Case {
  Form form;
  std::size_t M, N, K;
  InputType input = InputType::bf16;
  DType a = DType::f32, b = DType::f32, c = DType::f32;
  float alpha = 1, beta = 0;
  int loads = 1;
};

Shape a_shape(const Case& x) { return x.form == Form::tn ? Shape{x.K, x.M} : Shape{x.M, x.K}; }
Shape b_shape(const Case& x) { return x.form == Form::nt ? Shape{x.N, x.K} : Shape{x.K, x.N}; }

std::vector<double> reference(const Case& x, const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& c) {
  const auto op = x.form == Form::nt ? ops::reference::matmul_nt : x.form == Form::nn ? ops::reference::matmul_nn : ops::reference::matmul_tn;
  return op(a, b, c, x.M, x.N, x.K, x.alpha, x.beta);
}

std::vector<float> run(const Case& x, const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& c) {
  const DeviceTensor da = upload(a, a_shape(x), x.a), db = upload(b, b_shape(x), x.b), dc = upload(c, {x.M, x.N}, x.c);
  const auto op = x.form == Form::nt ? ops::unit_matmul_nt : x.form == Form::nn ? ops::unit_matmul_nn : nullptr;
  const UnitMode mode{MatrixUnit::emulated, x.input, x.loads};
  if (op != nullptr) op(shared_queue(), mode, da, db, dc, x.alpha, x.beta);
  else ops::unit_matmul_tn(shared_queue(), mode, da, db, dc, x.alpha, x.beta);
  return download(dc);
}

/// Small integers, exact in either input type, whose sums are exact in f32: any misplaced element changes the result.
std::vector<float> integers(std::size_t count, std::uint32_t seed) {
  std::vector<float> out = random_floats(count, seed, -16.0f, 17.0f);
  for (float& value : out) value = std::floor(value);
  return out;
}

void expect_exact(const Case& x) {
  const std::vector<float> a = integers(x.M * x.K, 1), b = integers(x.N * x.K, 2), c = integers(x.M * x.N, 3);
  const std::vector<float> got = run(x, a, b, c);
  const std::vector<double> want = reference(x, a, b, c);
  for (std::size_t i = 0; i < want.size(); ++i)
    ASSERT_EQ(got[i], want[i]) << "form " << static_cast<int>(x.form) << " [" << x.M << ", " << x.N << ", " << x.K << "] at " << i / x.N << ", "
                               << i % x.N;
}

/// Several tiles, every edge ragged; then lines that begin off 16 bytes, one row, and less than a chunk of k.
TEST(GemmUnit, IntegersAreExactInEveryForm) {
  for (const Form form : {Form::nt, Form::nn, Form::tn}) expect_exact({form, 35, 70, 72});
  for (const auto& [M, N, K] : {std::tuple{33, 31, 65}, {1, 5, 3}})
    expect_exact({Form::nt, static_cast<std::size_t>(M), static_cast<std::size_t>(N), static_cast<std::size_t>(K)});
}

TEST(GemmUnit, HalfStorageAlphaBetaAndTheUnitsOwnLoads) {
  expect_exact({Form::nn, 35, 70, 72, InputType::f16, DType::f16, DType::f32, DType::f32, 0.5f, 2.0f, 2});
  // Both loaders of half operands; sums below 2048 are exact in f16.
  for (const Form form : {Form::nt, Form::tn}) {
    const Case x{form, 20, 33, 8, InputType::bf16, DType::f16, DType::f16, DType::f16, 1.0f, 1.0f, 2};
    expect_exact(x);
  }
}

/// With M = N = 1 nothing averages out: each factor is off by at most u = 2^-8 or 2^-11 of itself, so a product by 2u + u^2, and by u at
/// least sometimes: the rounding is there.
TEST(GemmUnit, FactorsAreRoundedToTheInputType) {
  for (const InputType input : {InputType::f16, InputType::bf16}) {
    const double u = input == InputType::bf16 ? 0x1p-8 : 0x1p-11;
    const Case x{Form::nt, 40, 40, 1, input};
    const std::vector<float> a = random_floats(40, 1, 0.5f, 1.0f), b = random_floats(40, 2, 0.5f, 1.0f), got = run(x, a, b, std::vector<float>(1600));
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double want = static_cast<double>(a[i / 40]) * b[i % 40];
      worst = std::max(worst, std::abs(got[i] - want) / want);
    }
    EXPECT_LE(worst, 2.01 * u) << name_of(input);
    EXPECT_GE(worst, 0.5 * u) << name_of(input);
  }
}

/// To nearest, ties to even, in software as in hardware: 1 + 2^-8 lies between two bfloat16 numbers, 1 + 2^-11 between two of binary16.
TEST(GemmUnit, TiesGoToEven) {
  for (const InputType input : {InputType::f16, InputType::bf16}) {
    const float half_step = input == InputType::bf16 ? 0x1p-8f : 0x1p-11f;
    const std::vector<float> got = run({Form::nt, 3, 1, 1, input}, {1 + half_step, 1 + 3 * half_step, -1 - half_step}, {1.0f}, std::vector<float>(3));
    EXPECT_EQ(got, (std::vector<float>{1.0f, 1 + 4 * half_step, -1.0f})) << name_of(input);
  }
}

/// One tile and a long k: its parts are computed by groups of their own and added up (from two compute units on).
TEST(GemmUnit, LongSumsOfFewTilesAreSplit) {
  expect_exact({Form::nt, 20, 24, 600, InputType::bf16, DType::f32, DType::f32, DType::f32, 0.5f, 2.0f});
  const Case rounded{Form::nt, 20, 24, 600, InputType::bf16, DType::f32, DType::f32, DType::f16};
  const std::vector<float> a = integers(rounded.M * rounded.K, 1), b = integers(rounded.N * rounded.K, 2), c(rounded.M * rounded.N);
  const std::vector<float> got = run(rounded, a, b, c);
  const std::vector<double> want = reference(rounded, a, b, c);
  for (std::size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], half_to_float(float_to_half(static_cast<float>(want[i])))) << i;
}

TEST(GemmUnit, EmptySumIsBetaTimesC) {
  const DeviceTensor some = upload({1, 2, 3, 4, 5, 6}, {2, 3}), c = upload({1, 2, 3, 4, 5, 6}, {2, 3});
  const runtime::TensorView left{some.view().memory, 0, DType::f32, {2, 0}}, right{some.view().memory, 0, DType::f32, {3, 0}};
  ops::unit_matmul_nt(shared_queue(), {MatrixUnit::emulated, InputType::bf16}, left, right, c, 1.0f, 0.5f);
  EXPECT_EQ(download(c), (std::vector<float>{0.5f, 1, 1.5f, 2, 2.5f, 3}));
}

TEST(GemmUnit, ColumnsOfAWiderMatrix) {
  constexpr std::size_t K = 37, all = 50, begin = 11, count = 24, N = 20;
  const std::vector<float> a = integers(K * all, 1), b = integers(K * N, 2);
  std::vector<float> part;
  for (std::size_t k = 0; k < K; ++k) part.insert(part.end(), &a[k * all + begin], &a[k * all + begin] + count);
  const DeviceTensor da = upload(a, {K, all}), db = upload(b, {K, N}), dc = device_tensor({count, N});
  const UnitMode mode{MatrixUnit::emulated, InputType::bf16};
  ops::unit_matmul_tn(shared_queue(), mode, ops::Columns{da, begin, count}, db, dc);
  const std::vector<float> got = download(dc);
  const std::vector<double> want = ops::reference::matmul_tn(part, b, {}, count, N, K);
  for (std::size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], want[i]) << i;
  EXPECT_THROW(ops::unit_matmul_tn(shared_queue(), mode, ops::Columns{da, 40, 11}, db, dc), ShapeError);
}

TEST(GemmUnit, RefusesWrongShapesAndUnitsWithoutAProgram) {
  const DeviceTensor a = device_tensor({2, 3}), b = device_tensor({4, 3}), c = device_tensor({2, 4}), wrong = device_tensor({4, 2});
  EXPECT_THROW(ops::unit_matmul_nt(shared_queue(), {MatrixUnit::emulated, InputType::f16}, a, b, wrong), ShapeError);
  EXPECT_THROW(ops::unit_matmul_nn(shared_queue(), {MatrixUnit::emulated, InputType::f16}, a, b, c), ShapeError);
  EXPECT_THROW(ops::unit_matmul_nt(shared_queue(), {MatrixUnit::none, InputType::f16}, a, b, c), Unsupported);
}

}  // namespace
}  // namespace apiq
