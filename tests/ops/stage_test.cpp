// Fused stages of decoding against fp64: norm, products of linears that share their input, LoRA, and what
// follows them.
#include "ops/stage.hpp"

#include <cmath>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "cases/qmatmul_cases.hpp"
#include "ops/reference/rmsnorm.hpp"
#include "ops/reference/swiglu.hpp"

namespace apiq::testing {
namespace {

using ops::StageOutput;

constexpr float kEps = 1e-5f;

struct StageCase {
  std::vector<std::uint32_t> rows, ranks;  // of each linear
  std::uint32_t in_features, group_size, bits;
  bool norm;
  StageOutput output;
  DType dtype = DType::f32;
};

/// Values and how far an f32 computation may be off.
struct Expected {
  std::vector<double> values, tolerances;
};

/// One linear's products with the normalized input.
Expected products(const QmatmulData& d) {
  Expected out;
  out.values = ops::reference::qmatmul(d.problem());
  // The bound of tests/ops/qmatmul_test.cpp; the norm's own few roundings are a common factor.
  for (const double magnitude : ops::reference::qmatmul_magnitude(d.problem()))
    out.tolerances.push_back((d.shape.in_features + d.shape.rank + 8.0 + 64.0) / 4 * 0x1p-24 * magnitude);
  return out;
}

Expected gated(const Expected& gate, const Expected& up) {
  Expected out;
  out.values = ops::reference::swiglu_fwd(gate.values, up.values);
  for (std::size_t i = 0; i < out.values.size(); ++i)  // |silu'| < 1.1
    out.tolerances.push_back(1.1 * gate.tolerances[i] * std::fabs(up.values[i]) +
                             std::fabs(gate.values[i]) * up.tolerances[i] +
                             std::fabs(out.values[i]) * 0x1p-20);
  return out;
}

void check(const PresetDevice& on, const StageCase& c) {
  const auto x = c.dtype == DType::f16 ? rounded_to_half(random_floats(c.in_features, 3))
                                       : random_floats(c.in_features, 3);
  const auto norm = random_floats(c.in_features, 4, 0.5f, 1.5f),
             before = rounded_to_half(random_floats(512, 5));
  std::vector<float> h = x;
  if (c.norm) {
    const auto normed = ops::reference::rmsnorm_fwd(as_doubles(x), as_doubles(norm), kEps);
    h.assign(normed.begin(), normed.end());
  }
  std::vector<QmatmulData> data;
  std::vector<std::unique_ptr<DeviceQmatmul>> devices;
  std::vector<ops::StageLinear> linears;
  for (std::size_t i = 0; i < c.rows.size(); ++i) {
    data.emplace_back(QmatmulCase{c.rows[i], c.in_features, c.bits, c.group_size, 1, c.ranks[i]}, DType::f32,
                      static_cast<std::uint32_t>(50 + i));
    data.back().x = h;
    devices.push_back(std::make_unique<DeviceQmatmul>(on.device(), data.back(), 7));
    const std::vector<float> start(before.begin(), before.begin() + c.rows[i]);
    linears.push_back({devices.back()->weight, devices.back()->lora,
                       devices.back()->place_floats(c.dtype, {1, c.rows[i]}, start)});
  }
  const auto dx = on.upload(x, {1, c.in_features}, c.dtype), dnorm = on.upload(norm, {c.in_features});
  ops::decode_stage(on.queue(), linears, dx, c.norm ? dnorm.view() : runtime::TensorView{}, kEps, c.output);

  for (std::size_t i = 0; i < (c.output == StageOutput::gated ? 1 : c.rows.size()); ++i) {
    Expected expected =
        c.output == StageOutput::gated ? gated(products(data[0]), products(data[1])) : products(data[i]);
    const auto y = on.download(linears[i].y);
    ASSERT_EQ(y.size(), expected.values.size());
    for (std::size_t row = 0; row < y.size(); ++row) {
      if (c.output == StageOutput::add) expected.values[row] += before[row];
      ASSERT_NEAR(y[row], expected.values[row],
                  expected.tolerances[row] + std::fabs(expected.values[row]) * storage_eps(c.dtype) + 0x1p-25)
          << "linear " << i << " row " << row;
    }
  }
}

// Ragged rows, linears of different sizes and ranks, groups of one and of two chunks.
StageCase store(std::uint32_t bits, DType dtype = DType::f32) {
  return {{70, 33, 64}, {5, 0, 20}, 96, 32, bits, true, StageOutput::store, dtype};
}
StageCase add(std::uint32_t bits, DType dtype = DType::f32) {
  return {{75}, {9}, 192, 64, bits, false, StageOutput::add, dtype};
}
StageCase gate_up(std::uint32_t bits, DType dtype = DType::f32) {
  return {{75, 75}, {20, 3}, 96, 32, bits, true, StageOutput::gated, dtype};
}

TEST(DecodeStage, MatchesReference) {
  for (const std::uint32_t bits : {2u, 3u, 4u})
    for (const auto& make : {store, add, gate_up}) {
      SCOPED_TRACE(bits);
      check(preset_device("cpu"), make(bits, DType::f32));
    }
}

TEST(DecodeStage, MatchesReferenceInHalfStorage) { check(preset_device("cpu"), store(2, DType::f16)); }

TEST(DecodeStage,
     GpuSettingsMatchReference) {  // three programs only: these settings take seconds to compile on a CPU
  check(preset_device("gpu"), store(2));
  check(preset_device("gpu"), add(3));
  check(preset_device("gpu"), gate_up(4));
}

TEST(DecodeStage, TakesOnlyWhatSharesItsFormat) {
  const auto weight = [](std::uint32_t bits, std::uint32_t group, std::uint32_t in) {
    return ops::PackedWeightView{{64, in, bits, group}, {}, {}, {}};
  };
  const auto is_stage = [](std::vector<ops::PackedWeightView> weights) { return ops::is_stage(weights); };
  EXPECT_TRUE(is_stage({weight(2, 64, 128), weight(2, 64, 128)}));
  EXPECT_FALSE(is_stage({weight(2, 64, 128), weight(3, 64, 128)}));
  EXPECT_FALSE(is_stage({weight(2, 64, 128), weight(2, 32, 128)}));
  EXPECT_FALSE(is_stage({weight(2, 16, 128)}));
  EXPECT_FALSE(is_stage({weight(2, 43, 172)}));
  EXPECT_FALSE(is_stage({}));
}

}  // namespace
}  // namespace apiq::testing
