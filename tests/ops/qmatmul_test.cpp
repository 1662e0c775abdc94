// The packed product against its fp64 reference over every bit width, group shapes with and without whole
// chunks, ragged rows and features, both storage types and both presets; and that a token's result does not
// depend on its company.
#include "cases/qmatmul_cases.hpp"

#include <cmath>

#include "apiq/error.hpp"

namespace apiq::testing {
namespace {

// The device again with the settings GPUs start from: slow here, but the same code paths.
runtime::Device& gpu_settings_device() {
  static const std::unique_ptr<runtime::Device> device = [] {
    ::setenv("APIQ_PRESET", "gpu", 1);
    DeviceOptions options;
    if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
    auto opened = runtime::Device::open(options);
    ::unsetenv("APIQ_PRESET");
    return opened;
  }();
  return *device;
}

std::vector<float> run(runtime::Device& device, const QmatmulData& d, DType x_type, DType y_type) {
  DeviceQmatmul on_device(device, d, 5);
  const auto x = on_device.place_floats(x_type, {d.shape.num_tokens, d.shape.in_features}, d.x);
  const auto y = on_device.place(y_type, {d.shape.num_tokens, d.shape.out_features}, nullptr);
  ops::qmatmul(device.queue(), runtime::Rounding::none, on_device.weight, on_device.lora, x, y);
  return runtime::read_floats(device.queue(), y);
}

// Errors are those of adding n products in f32: at most n * 2^-24 times the sum of magnitudes (Higham,
// section 3.1), n = features + ranks (each LoRA product passes through two such sums). Magnitudes count codes
// and zero points apart, because the mat-vec adds them apart. The errors of random data are near sqrt(n), so
// a quarter of that bound still holds and catches more. f16 results add half a unit in the last place.
void expect_close(const QmatmulData& d, DType y_type, const std::vector<float>& y, const std::string& what) {
  const auto expected = ops::reference::qmatmul(d.problem()),
             magnitude = ops::reference::qmatmul_magnitude(d.problem());
  const double terms = d.shape.in_features + d.shape.rank + 8.0;
  ASSERT_EQ(y.size(), expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    double tolerance = terms / 4 * 0x1p-24 * magnitude[i];
    if (y_type == DType::f16) tolerance += std::fabs(expected[i]) * 0x1p-11 + 0x1p-25;
    ASSERT_NEAR(y[i], expected[i], tolerance)
        << what << " token " << i / d.shape.out_features << " row " << i % d.shape.out_features;
  }
}

std::string text(const QmatmulCase& c) {
  return "[" + std::to_string(c.out_features) + ", " + std::to_string(c.in_features) + "] bits " +
         std::to_string(c.bits) + " group " + std::to_string(c.group_size) + " tokens " +
         std::to_string(c.num_tokens) + " rank " + std::to_string(c.rank);
}

void check(runtime::Device& device, const QmatmulCase& c, DType x_type, DType y_type) {
  const QmatmulData d(c, x_type, c.out_features * 7 + c.in_features * 3 + c.bits);
  expect_close(d, y_type, run(device, d, x_type, y_type), text(c));
}

class Qmatmul : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(Qmatmul, MatchesReferenceForWholeChunks) {
  for (const std::uint32_t tokens : {1u, 2u, 4u, 7u, 8u, 16u, 17u, 37u})
    for (const std::uint32_t group : {32u, 64u, 128u})
      check(shared_device(), {96, 256, GetParam(), group, tokens, tokens % 2 * 8}, DType::f32, DType::f32);
}

TEST_P(Qmatmul, MatchesReferenceForRaggedShapes) {
  for (const std::uint32_t tokens : {1u, 3u, 20u}) {  // mat-vec, smallest and largest block
    for (const std::uint32_t group : {4u, 43u, 86u, 172u})
      check(shared_device(), {43, 172, GetParam(), group, tokens, 3}, DType::f32, DType::f32);
    for (const std::uint32_t rows : {1u, 31u, 33u, 65u})
      check(shared_device(), {rows, 64, GetParam(), 16, tokens, 1}, DType::f32, DType::f32);
    check(shared_device(), {5, 1, GetParam(), 1, tokens, 2}, DType::f32, DType::f32);
    check(shared_device(), {40, 100, GetParam(), 50, tokens, 64}, DType::f32, DType::f32);
  }
}

TEST_P(Qmatmul, MatchesReferenceInHalfStorage) {
  for (const std::uint32_t tokens : {1u, 16u})
    check(shared_device(), {70, 128, GetParam(), 64, tokens, 8}, DType::f16, DType::f16);
}

INSTANTIATE_TEST_SUITE_P(Bits, Qmatmul, ::testing::Values(2u, 3u, 4u, 8u));

TEST(QmatmulRules, StorageTypesMayDiffer) {
  for (const std::uint32_t tokens : {1u, 5u}) {
    check(shared_device(), {70, 129, 2, 43, tokens, 5}, DType::f16, DType::f32);
    check(shared_device(), {70, 129, 2, 3, tokens, 5}, DType::f32, DType::f16);
  }
}

// Two widths only, one in each way of storing codes: these settings take seconds to compile on a CPU.
TEST(QmatmulRules, GpuSettingsMatchReference) {
  for (const std::uint32_t bits : {2u, 3u})
    for (const std::uint32_t tokens : {1u, 9u}) {
      check(gpu_settings_device(), {96, 256, bits, 32, tokens, 9}, DType::f32, DType::f32);
      check(gpu_settings_device(), {45, 172, bits, 43, tokens, 3}, DType::f16, DType::f16);
    }
}

TEST(QmatmulRules, ResultOfATokenDoesNotDependOnTheOthers) {
  const QmatmulData all({64, 256, 2, 64, 33, 16}, DType::f32, 5);
  const auto y = run(shared_device(), all, DType::f32, DType::f32);
  for (const std::uint32_t tokens : {2u, 4u, 5u, 9u, 16u, 32u}) {
    QmatmulData some = all;
    some.shape.num_tokens = tokens;
    some.x.resize(tokens * 256);
    const auto part = run(shared_device(), some, DType::f32, DType::f32);
    for (std::size_t i = 0; i < part.size(); ++i)
      ASSERT_EQ(part[i], y[i]) << tokens << " tokens, element " << i;
  }
}

TEST(QmatmulRules, RunsTwiceAlike) {
  const QmatmulData d({100, 192, 3, 64, 1, 8}, DType::f32, 9);
  EXPECT_EQ(run(shared_device(), d, DType::f32, DType::f32), run(shared_device(), d, DType::f32, DType::f32));
}

TEST(QmatmulRules, NoTokensIsNoWork) {
  const QmatmulData d({32, 64, 2, 64, 1, 0}, DType::f32, 1);
  DeviceQmatmul on_device(shared_device(), d);
  const auto x = on_device.place_floats(DType::f32, {1, 64}, d.x);
  EXPECT_NO_THROW(ops::qmatmul(shared_queue(), runtime::Rounding::none, on_device.weight, {}, x.rows(0, 0),
                               x.rows(0, 0).reshaped({0, 32})));
}

TEST(QmatmulRules, RefusesWrongShapesByName) {
  const QmatmulData d({32, 64, 2, 64, 2, 4}, DType::f32, 1);
  DeviceQmatmul on_device(shared_device(), d);
  const auto x = on_device.place_floats(DType::f32, {2, 64}, d.x);
  const auto y = on_device.place(DType::f32, {2, 32}, nullptr);
  const auto refusal = [&](const ops::PackedWeightView& w, const ops::LoraView& lora,
                           const runtime::TensorView& in, const runtime::TensorView& out) {
    try {
      ops::qmatmul(shared_queue(), runtime::Rounding::none, w, lora, in, out);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal(on_device.weight, on_device.lora, y, y),
            "[qmatmul] x: expected f32 or f16 [num_tokens, 64], got f32 [2, 32]");
  EXPECT_EQ(refusal(on_device.weight, on_device.lora, x, y.rows(0, 1)),
            "[qmatmul] y: expected 2 tokens as in x, got f32 [1, 32]");
  auto weight = on_device.weight;
  weight.scales = weight.qzeros;
  EXPECT_EQ(refusal(weight, on_device.lora, x, y),
            "[qmatmul] scales: expected f16 with 32 elements, got u32 [2]");
  weight = on_device.weight;
  weight.layout.group_size = 48;
  EXPECT_NE(refusal(weight, on_device.lora, x, y).find("group_size 48 does not divide in_features 64"),
            std::string::npos);
  auto lora = on_device.lora;
  lora.A = lora.B_t;
  EXPECT_EQ(refusal(on_device.weight, lora, x, y), "[qmatmul] lora_A: expected f16 [4, 64], got f16 [4, 32]");
}

}  // namespace
}  // namespace apiq::testing
