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
  const UnitMode mode{MatrixUnit::emulated, x.input};
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

TEST(GemmUnit, IntegersAreExactInEveryFormAndRaggedShape) {
  for (const Form form : {Form::nt, Form::nn, Form::tn})
    for (const auto& [M, N, K] : {std::tuple{33, 31, 65}, {40, 68, 8}}) {
      const Case x{form, static_cast<std::size_t>(M), static_cast<std::size_t>(N), static_cast<std::size_t>(K)};
      const std::vector<float> a = integers(x.M * x.K, 1), b = integers(x.N * x.K, 2), c = integers(x.M * x.N, 3);
      const std::vector<float> got = run(x, a, b, c);
      const std::vector<double> want = reference(x, a, b, c);
      for (std::size_t i = 0; i < want.size(); ++i)
        ASSERT_EQ(got[i], want[i]) << "form " << static_cast<int>(form) << " [" << M << ", " << N << ", " << K << "] at " << i / x.N << ", "
                                   << i % x.N;
    }
}

}  // namespace
}  // namespace apiq
