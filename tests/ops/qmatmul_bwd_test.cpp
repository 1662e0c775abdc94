// The gradient through a packed weight against its fp64 reference: every bit width, whole and ragged chunks,
// with and without LoRA, both storage types and presets; that the reference is the adjoint of the forward
// one; and that tokens do not depend on their company.
#include <cmath>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "cases/qmatmul_cases.hpp"

namespace apiq::testing {
namespace {

/// A problem with the gradient that arrives at its output.
struct BackwardData {
  QmatmulData forward;
  std::vector<float> dy;

  BackwardData(const QmatmulCase& c, DType type, std::uint32_t seed)
      : forward(c, type, seed),
        dy(random_floats(static_cast<std::size_t>(c.num_tokens) * c.out_features, seed + 9)) {
    if (type == DType::f16) dy = rounded_to_half(dy);
  }
};

std::vector<float> run(runtime::Device& device, const BackwardData& d, DType type) {
  const QmatmulCase& c = d.forward.shape;
  DeviceQmatmul on_device(device, d.forward, 5);
  const auto dy = on_device.place_floats(type, {c.num_tokens, c.out_features}, d.dy);
  const auto dx = on_device.place(type, {c.num_tokens, c.in_features}, nullptr);
  ops::qmatmul_bwd(device.queue(), runtime::Rounding::none, on_device.weight, on_device.lora, dy, dx);
  return runtime::read_floats(device.queue(), dx);
}

// As for the forward product (qmatmul_test.cpp): n = rows + ranks terms, a quarter of Higham's bound, and
// half a unit of f16 results.
void check(runtime::Device& device, const QmatmulCase& c, DType type) {
  const BackwardData d(c, type, c.out_features * 5 + c.in_features + c.bits);
  const auto problem = d.forward.problem();
  const auto dx = run(device, d, type);
  const auto expected = ops::reference::qmatmul_bwd(problem, d.dy),
             magnitude = ops::reference::qmatmul_bwd_magnitude(problem, d.dy);
  ASSERT_EQ(dx.size(), expected.size());
  for (std::size_t i = 0; i < dx.size(); ++i) {
    double tolerance = (c.out_features + c.rank + 8.0) / 4 * 0x1p-24 * magnitude[i];
    if (type == DType::f16) tolerance += std::fabs(expected[i]) * 0x1p-11 + 0x1p-25;
    ASSERT_NEAR(dx[i], expected[i], tolerance)
        << "[" << c.out_features << ", " << c.in_features << "] bits " << c.bits << " group " << c.group_size
        << " rank " << c.rank << " token " << i / c.in_features << " feature " << i % c.in_features;
  }
}

class QmatmulBwd : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(QmatmulBwd, MatchesReference) {
  for (const std::uint32_t tokens : {1u, 7u, 16u, 37u})
    for (const std::uint32_t group : {32u, 128u})
      check(shared_device(), {96, 256, GetParam(), group, tokens, tokens % 2 * 9}, DType::f32);
  for (const std::uint32_t rows : {1u, 33u, 75u})
    check(shared_device(), {rows, 64, GetParam(), 64, 5, 3}, DType::f32);
}

TEST_P(QmatmulBwd, MatchesReferenceForRaggedGroups) {
  for (const std::uint32_t group : {4u, 43u, 172u})
    check(shared_device(), {43, 172, GetParam(), group, 3, 5}, DType::f32);
  check(shared_device(), {5, 1, GetParam(), 1, 2, 2}, DType::f32);
  check(shared_device(), {40, 50, GetParam(), 50, 4, 0}, DType::f32);
}

INSTANTIATE_TEST_SUITE_P(Bits, QmatmulBwd, ::testing::Values(2u, 3u, 4u, 8u));

TEST(QmatmulBwdRules, HalfStorage) {
  check(shared_device(), {70, 128, 3, 64, 16, 8}, DType::f16);
  check(shared_device(), {70, 172, 2, 86, 3, 8}, DType::f16);
}

TEST(QmatmulBwdRules, GpuSettingsMatchReference) {
  for (const std::uint32_t bits : {2u, 3u})
    check(preset_device("gpu").device(), {170, 256, bits, 32, 9, 9}, DType::f32);
  check(preset_device("gpu").device(), {45, 172, 2, 43, 9, 3}, DType::f32);
}

TEST(QmatmulBwdRules, ResultOfATokenDoesNotDependOnTheOthers) {
  const BackwardData all({64, 256, 2, 64, 33, 16}, DType::f32, 5);
  const auto dx = run(shared_device(), all, DType::f32);
  for (const std::uint32_t tokens : {1u, 8u, 9u, 32u}) {
    BackwardData some = all;
    some.forward.shape.num_tokens = tokens;
    some.dy.resize(std::size_t{tokens} * 64);
    const auto part = run(shared_device(), some, DType::f32);
    for (std::size_t i = 0; i < part.size(); ++i)
      ASSERT_EQ(part[i], dx[i]) << tokens << " tokens, element " << i;
  }
}

// <dy, f(x)> = <f^T(dy), x>: the two references were written apart.
TEST(QmatmulBwdRules, ReferenceIsTheAdjointOfTheForwardOne) {
  const BackwardData d({30, 96, 4, 48, 3, 5}, DType::f32, 11);
  const auto y = ops::reference::qmatmul(d.forward.problem()),
             dx = ops::reference::qmatmul_bwd(d.forward.problem(), d.dy);
  double left = 0, right = 0, size = 0;
  for (std::size_t i = 0; i < y.size(); ++i) left += y[i] * d.dy[i], size += std::fabs(y[i] * d.dy[i]);
  for (std::size_t i = 0; i < dx.size(); ++i) right += dx[i] * d.forward.x[i];
  EXPECT_NEAR(left, right, 1e-12 * size);
}

TEST(QmatmulBwdRules, RefusesWrongShapesByName) {
  const BackwardData d({32, 64, 2, 64, 2, 0}, DType::f32, 1);
  DeviceQmatmul on_device(shared_device(), d.forward);
  const auto dy = on_device.place_floats(DType::f32, {2, 32}, d.dy),
             dx = on_device.place(DType::f32, {2, 64}, nullptr);
  const auto refusal = [&](const runtime::TensorView& in, const runtime::TensorView& out) {
    try {
      ops::qmatmul_bwd(shared_queue(), runtime::Rounding::none, on_device.weight, {}, in, out);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal(dx, dx), "[qmatmul_bwd] dy: expected f32 or f16 [num_tokens, 32], got f32 [2, 64]");
  EXPECT_EQ(refusal(dy, dx.rows(0, 1)), "[qmatmul_bwd] dx: expected 2 tokens as in dy, got f32 [1, 64]");
  EXPECT_NO_THROW(ops::qmatmul_bwd(shared_queue(), runtime::Rounding::none, on_device.weight, {},
                                   dy.rows(0, 0), dx.rows(0, 0)));
}

}  // namespace
}  // namespace apiq::testing
