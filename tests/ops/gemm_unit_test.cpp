// Dense products on the emulated matrix unit: NVIDIA's fragment layout in software, so that staging, tiling,
// fragments and epilogue of the shared kernels run here as they do on such a device.
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

std::vector<double> reference(const Case& x, const std::vector<float>& a, const std::vector<float>& b,
                              const std::vector<float>& c) {
  const auto op = x.form == Form::nt   ? ops::reference::matmul_nt
                  : x.form == Form::nn ? ops::reference::matmul_nn
                                       : ops::reference::matmul_tn;
  return op(a, b, c, x.M, x.N, x.K, x.alpha, x.beta);
}

std::vector<float> run(const Case& x, const std::vector<float>& a, const std::vector<float>& b,
                       const std::vector<float>& c) {
  const DeviceTensor da = upload(a, a_shape(x), x.a), db = upload(b, b_shape(x), x.b),
                     dc = upload(c, {x.M, x.N}, x.c);
  const auto op = x.form == Form::nt   ? ops::unit_matmul_nt
                  : x.form == Form::nn ? ops::unit_matmul_nn
                                       : nullptr;
  const UnitMode mode{MatrixUnit::emulated, x.input, x.loads};
  if (op != nullptr) op(shared_queue(), mode, da, db, dc, x.alpha, x.beta);
  else ops::unit_matmul_tn(shared_queue(), mode, da, db, dc, x.alpha, x.beta);
  return download(dc);
}

/// Small integers, exact in either input type, whose sums are exact in f32: any misplaced element changes the
/// result.
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
    ASSERT_EQ(got[i], want[i]) << "form " << static_cast<int>(x.form) << " [" << x.M << ", " << x.N << ", "
                               << x.K << "] at " << i / x.N << ", " << i % x.N;
}

/// One program a form, between them every loader and rounding: each costs seconds to build where it is
/// emulated.
Case nt(std::size_t M, std::size_t N, std::size_t K) { return {Form::nt, M, N, K}; }
Case nn(std::size_t M, std::size_t N, std::size_t K) {
  return {Form::nn, M, N, K, InputType::f16, DType::f16, DType::f32, DType::f32, 1, 0, 2};
}
Case tn(std::size_t M, std::size_t N, std::size_t K) {
  return {Form::tn, M, N, K, InputType::bf16, DType::f16, DType::f16};
}

/// Several tiles, every edge ragged, and less than one of anything. Rows of a hold a multiple of 16 bytes, as
/// those of models do; where they do not is for the packed products, whose groups may be odd as well.
TEST(GemmUnit, IntegersAreExactInEveryForm) {
  for (const auto make : {nt, nn, tn})
    for (const auto& [M, N, K] : {std::tuple{35, 70, 72}, {1, 5, 8}})
      expect_exact(
          make(static_cast<std::size_t>(M), static_cast<std::size_t>(N), static_cast<std::size_t>(K)));
}

TEST(GemmUnit, AlphaBetaAndHalfResults) {
  Case x = nn(20, 33, 8);
  x.alpha = 0.5f;
  x.beta = 2.0f;
  expect_exact(x);
  x.c = DType::f16;  // sums below 1024 in steps of a half
  expect_exact(x);
}

/// With one product a sum nothing averages out: a factor is off by at most u = 2^-8 or 2^-11 of itself, and
/// by half of that at times: the rounding is there. nt rounds both factors to bfloat16, nn the second one to
/// binary16 (the first is 1).
TEST(GemmUnit, FactorsAreRoundedToTheInputType) {
  constexpr std::size_t n = 40, K = 8;
  for (const bool both : {true, false}) {
    const double u = both ? 0x1p-8 : 0x1p-11;
    std::vector<float> a(n * K), b(n * K), left = random_floats(n, 1, 0.5f, 1.0f),
                                           right = random_floats(n, 2, 0.5f, 1.0f);
    for (std::size_t i = 0; i < n; ++i) {
      a[i * K] = both ? left[i] : 1.0f;
      b[both ? i * K : i] = right[i];
    }
    const std::vector<float> got = run(both ? nt(n, n, K) : nn(n, n, K), a, b, std::vector<float>(n * n));
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double want = static_cast<double>(a[i / n * K]) * right[i % n];
      worst = std::max(worst, std::abs(got[i] - want) / want);
    }
    EXPECT_LE(worst, (both ? 2.01 : 1.0) * u);
    EXPECT_GE(worst, 0.5 * u);
  }
}

/// To nearest, ties to even, in software as in hardware: 1 + 2^-8 lies between two bfloat16 numbers, 1 +
/// 2^-11 between two of binary16.
TEST(GemmUnit, TiesGoToEven) {
  for (const bool bf16 : {true, false}) {
    const float half_step = bf16 ? 0x1p-8f : 0x1p-11f,
                values[] = {1 + half_step, 1 + 3 * half_step, -1 - half_step, 0};
    std::vector<float> a(8), b(4 * 8);
    a[0] = 1;
    for (std::size_t i = 0; i < 4; ++i) b[bf16 ? i * 8 : i] = values[i];
    EXPECT_EQ(run(bf16 ? nt(1, 4, 8) : nn(1, 4, 8), a, b, std::vector<float>(4)),
              (std::vector<float>{1.0f, 1 + 4 * half_step, -1.0f, 0.0f}));
  }
}

/// One tile and a long k: its parts are computed by groups of their own and added up (from two compute units
/// on).
TEST(GemmUnit, LongSumsOfFewTilesAreSplit) {
  Case x = nt(20, 24, 600);
  x.alpha = 0.5f;
  x.beta = 2.0f;
  expect_exact(x);
}

TEST(GemmUnit, EmptySumIsBetaTimesC) {
  const DeviceTensor some = upload({1, 2, 3, 4, 5, 6}, {2, 3}), c = upload({1, 2, 3, 4, 5, 6}, {2, 3});
  const runtime::TensorView left{some.view().memory, 0, DType::f32, {2, 0}},
      right{some.view().memory, 0, DType::f32, {3, 0}};
  ops::unit_matmul_nt(shared_queue(), {MatrixUnit::emulated, InputType::bf16}, left, right, c, 1.0f, 0.5f);
  EXPECT_EQ(download(c), (std::vector<float>{0.5f, 1, 1.5f, 2, 2.5f, 3}));
}

TEST(GemmUnit, ColumnsOfAWiderMatrix) {
  constexpr std::size_t K = 37, all = 50, begin = 11, count = 24, N = 20;
  const std::vector<float> a = integers(K * all, 1), b = integers(K * N, 2);
  std::vector<float> part;
  for (std::size_t k = 0; k < K; ++k)
    part.insert(part.end(), &a[k * all + begin], &a[k * all + begin] + count);
  const DeviceTensor da = upload(a, {K, all}, DType::f16), db = upload(b, {K, N}, DType::f16),
                     dc = device_tensor({count, N});
  const UnitMode mode{MatrixUnit::emulated, InputType::bf16};
  ops::unit_matmul_tn(shared_queue(), mode, ops::Columns{da, begin, count}, db, dc);
  const std::vector<float> got = download(dc);
  const std::vector<double> want = ops::reference::matmul_tn(part, b, {}, count, N, K);
  for (std::size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], want[i]) << i;
  EXPECT_THROW(ops::unit_matmul_tn(shared_queue(), mode, ops::Columns{da, 40, 11}, db, dc), ShapeError);
}

TEST(GemmUnit, RefusesWrongShapesAndUnitsWithoutAProgram) {
  const DeviceTensor a = device_tensor({2, 3}), b = device_tensor({4, 3}), c = device_tensor({2, 4}),
                     wrong = device_tensor({4, 2});
  EXPECT_THROW(ops::unit_matmul_nt(shared_queue(), {MatrixUnit::emulated, InputType::f16}, a, b, wrong),
               ShapeError);
  EXPECT_THROW(ops::unit_matmul_nn(shared_queue(), {MatrixUnit::emulated, InputType::f16}, a, b, c),
               ShapeError);
  EXPECT_THROW(ops::unit_matmul_nt(shared_queue(), {MatrixUnit::none, InputType::f16}, a, b, c), Unsupported);
}

}  // namespace
}  // namespace apiq
