// Packed products on the emulated matrix unit, forward and backward with LoRA, against fp64.
#include "ops/qgemm_unit.hpp"

#include <cmath>

#include "apiq/error.hpp"
#include "cases/qmatmul_cases.hpp"

namespace apiq::testing {
namespace {

using runtime::InputType;
using runtime::MatrixUnit;
using runtime::UnitMode;

std::string text(const QmatmulCase& c) {
  return "[" + std::to_string(c.out_features) + ", " + std::to_string(c.in_features) + "] bits " +
         std::to_string(c.bits) + " group " + std::to_string(c.group_size) + " tokens " +
         std::to_string(c.num_tokens) + " rank " + std::to_string(c.rank);
}

/// y in fp64 with every product also summed up as a magnitude. backward: from gradients [tokens,
/// out_features] to [tokens, in_features].
struct Expected {
  std::vector<double> value, magnitude, lora_magnitude;
};

Expected expected(const QmatmulData& d, const std::vector<float>& in, bool backward) {
  const auto& s = d.shape;
  const std::vector<double> w = ops::reference::dequantize(d.problem());
  const std::size_t from = backward ? s.out_features : s.in_features,
                    to = backward ? s.in_features : s.out_features;
  const auto& first = backward ? d.lora_B : d.lora_A;  // B [out, rank], A [rank, in]
  const auto& last = backward ? d.lora_A : d.lora_B;
  Expected out{std::vector<double>(s.num_tokens * to), std::vector<double>(s.num_tokens * to),
               std::vector<double>(s.num_tokens * to)};
  for (std::size_t token = 0; token < s.num_tokens; ++token) {
    std::vector<double> t(s.rank), t_magnitude(s.rank);
    for (std::size_t r = 0; r < s.rank; ++r)
      for (std::size_t k = 0; k < from; ++k) {
        const double product = static_cast<double>(in[token * from + k]) *
                               (backward ? first[k * s.rank + r] : first[r * from + k]) * d.scaling;
        t[r] += product;
        t_magnitude[r] += std::abs(product);
      }
    for (std::size_t j = 0; j < to; ++j) {
      const std::size_t at = token * to + j;
      for (std::size_t k = 0; k < from; ++k) {
        const double product = in[token * from + k] * (backward ? w[k * to + j] : w[j * from + k]);
        out.value[at] += product;
        out.magnitude[at] += std::abs(product);
      }
      for (std::size_t r = 0; r < s.rank; ++r) {
        const double factor = backward ? last[r * to + j] : last[j * s.rank + r];
        out.value[at] += t[r] * factor;
        out.lora_magnitude[at] += t_magnitude[r] * std::abs(factor);
      }
    }
  }
  return out;
}

void check(const QmatmulCase& c, bool backward, InputType input, DType in_type, DType out_type) {
  const QmatmulData d(c, in_type, c.out_features * 7 + c.in_features * 3 + c.bits);
  const std::uint64_t from = backward ? c.out_features : c.in_features,
                      to = backward ? c.in_features : c.out_features;
  std::vector<float> in = random_floats(c.num_tokens * from, 77);
  if (in_type == DType::f16) in = rounded_to_half(in);
  DeviceQmatmul on_device(shared_device(), d,
                          c.group_size % 32 == 0 ? 8 : 5);  // aligned for 16 bytes, or not
  const auto x = on_device.place_floats(in_type, {c.num_tokens, from}, in);
  const auto y = on_device.place(out_type, {c.num_tokens, to}, nullptr);
  const auto op = backward ? ops::unit_qmatmul_bwd : ops::unit_qmatmul;
  op(shared_queue(), {MatrixUnit::emulated, input}, on_device.weight, on_device.lora, x, y);
  const std::vector<float> got = runtime::read_floats(shared_queue(), y);
  const Expected want = expected(d, in, backward);
  // Each factor is rounded to 8 (bf16) or 11 (f16) bits: u = 2^-8 or 2^-11 relative, two factors a product;
  // the LoRA branch has four such roundings (x, A, t, B). Adding n products in fp32 costs n * 2^-24 more.
  // Numbers here stay in f16's normal range or are small beside the sum: 2^-25 absolute per product.
  const double u = input == InputType::bf16 ? 0x1p-8 : 0x1p-11,
               terms = static_cast<double>(from + 2 * c.rank);
  for (std::size_t i = 0; i < got.size(); ++i) {
    double tolerance = (2.02 * u + terms * 0x1p-24) * want.magnitude[i] +
                       (4.04 * u + terms * 0x1p-24) * want.lora_magnitude[i];
    if (input == InputType::f16) tolerance += static_cast<double>(from) * 0x1p-25;
    if (out_type == DType::f16) tolerance += 0x1p-11 * std::abs(want.value[i]) + 0x1p-25;
    ASSERT_NEAR(got[i], want.value[i], tolerance)
        << (backward ? "backward " : "forward ") << text(c) << " at " << i / to << ", " << i % to;
  }
}

// Few shapes, since every one is a program of its own that takes seconds to build. The presets' tiles are
// what gemm_unit_test.cpp compares.
bool gpu_preset() {
  const char* preset = std::getenv("APIQ_PRESET");
  return preset != nullptr && std::string(preset) == "gpu";
}

TEST(QgemmUnit, ForwardMatchesReference) {
  if (gpu_preset()) GTEST_SKIP();
  check({33, 96, 2, 32, 35, 9}, false, InputType::bf16, DType::f32, DType::f32);
  check({40, 172, 3, 43, 3, 0}, false, InputType::f16, DType::f16,
        DType::f16);  // groups that end inside a slab
}

TEST(QgemmUnit, BackwardMatchesReference) {
  if (gpu_preset()) GTEST_SKIP();
  check({40, 64, 3, 64, 35, 9}, true, InputType::bf16, DType::f32, DType::f32);
}

TEST(QgemmUnit, RefusesWrongShapesByName) {
  const QmatmulData d({32, 64, 2, 64, 2, 4}, DType::f32, 1);
  DeviceQmatmul on_device(shared_device(), d);
  const auto x = on_device.place_floats(DType::f32, {2, 64}, d.x);
  const auto y = on_device.place(DType::f32, {2, 32}, nullptr);
  const UnitMode mode{MatrixUnit::emulated, InputType::bf16};
  EXPECT_THROW(ops::unit_qmatmul(shared_queue(), mode, on_device.weight, on_device.lora, y, y), ShapeError);
  EXPECT_THROW(ops::unit_qmatmul_bwd(shared_queue(), mode, on_device.weight, on_device.lora, x, y),
               ShapeError);
  EXPECT_THROW(ops::unit_qmatmul(shared_queue(), {MatrixUnit::none, InputType::f16}, on_device.weight,
                                 on_device.lora, x, y),
               Unsupported);
}

}  // namespace
}  // namespace apiq::testing
