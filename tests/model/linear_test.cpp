// A linear with every kind of weight, with and without bias, with none to three adapters, frozen and trained:
// forward, dx and the adapters' gradients against fp64, and the gradients against differences of forward.
#include "model/linear.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "cases/public_device.hpp"
#include "ops/nn.hpp"
#include "util/half.hpp"

namespace apiq {
namespace {

using model::Adapter;
using model::AdapterForm;
using model::Linear;
using runtime::DeviceTensor;

constexpr runtime::Rounding kExact = runtime::Rounding::none;

struct Branch {
  std::uint32_t rank;
  bool frozen;
};

struct Case {
  std::uint32_t bits;  // 16, 32: dense f16, f32
  std::uint32_t out, in, group_size, tokens;
  std::vector<Branch> adapters;  // of a packed weight, a frozen first one goes into its product
  bool bias = false;
  DType activations = DType::f32;
};

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
  const Case& c = info.param;
  std::string name = std::to_string(c.bits) + "bit_" + std::to_string(c.out) + "x" + std::to_string(c.in) +
                     "_t" + std::to_string(c.tokens);
  for (const Branch& branch : c.adapters)
    name += (branch.frozen ? "_frozen" : "_trained") + std::to_string(branch.rank);
  return name + (c.bias ? "_bias" : "") + (c.activations == DType::f16 ? "_f16" : "");
}

std::vector<std::uint16_t> as_halves(const std::vector<float>& values) {
  std::vector<std::uint16_t> out;
  for (const float value : values) out.push_back(float_to_half(value));
  return out;
}

std::vector<float> rounded(std::vector<float> values) {
  for (float& value : values) value = half_to_float(float_to_half(value));
  return values;
}

/// C [M, N] = op(a) op(b) in fp64, of row-major operands given by their strides along the result and the sum.
struct Operand {
  const std::vector<double>& values;
  std::size_t stride, sum_stride;
};
std::vector<double> product(std::size_t M, std::size_t N, std::size_t K, const Operand& a, const Operand& b) {
  std::vector<double> c(M * N, 0.0);
  for (std::size_t m = 0; m < M; ++m)
    for (std::size_t n = 0; n < N; ++n)
      for (std::size_t k = 0; k < K; ++k)
        c[m * N + n] += a.values[m * a.stride + k * a.sum_stride] * b.values[n * b.stride + k * b.sum_stride];
  return c;
}

std::vector<double> doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }
std::vector<double> magnitudes(std::vector<double> values) {
  for (double& value : values) value = std::fabs(value);
  return values;
}

/// One adapter's values on the host.
struct HostAdapter {
  Branch branch;
  float scaling;
  std::vector<float> A, B;
};

class LinearTest : public ::testing::TestWithParam<Case> {
 protected:
  const Case& c() const { return GetParam(); }
  runtime::Queue& queue() const { return testing::public_device().impl().queue(); }

  void SetUp() override {
    bias_ = testing::random_floats(c().out, 5);
    x_ = stored(testing::random_floats(std::size_t{c().tokens} * c().in, 6));
    dy_ = stored(testing::random_floats(std::size_t{c().tokens} * c().out, 7));
    std::uint32_t seed = 20;
    for (const Branch& branch : c().adapters) {
      HostAdapter adapter{branch, 0.5f + 0.25f * static_cast<float>(adapters_.size()),
                          testing::random_floats(std::size_t{branch.rank} * c().in, seed),
                          testing::random_floats(std::size_t{branch.rank} * c().out, seed + 1)};
      if (branch.frozen) {
        adapter.A = rounded(adapter.A);
        adapter.B = rounded(adapter.B);
      }
      adapters_.push_back(adapter);
      seed += 2;
    }
    make_weight();
    std::size_t next = linear_.lora().rank != 0 ? 1 : 0;  // the first may be in the packed product
    for (; next < adapters_.size(); ++next) linear_.add_adapter(device_adapter(adapters_[next]));
    if (c().bias) linear_.set_bias(queue(), {"bias", DType::f32, {c().out}}, std::as_bytes(std::span(bias_)));
  }

  std::vector<float> stored(const std::vector<float>& values) const {
    return c().activations == DType::f16 ? rounded(values) : values;
  }

  Adapter device_adapter(const HostAdapter& host) const {
    const AdapterForm form{"test", c().out, c().in, host.branch.rank, host.scaling};
    if (!host.branch.frozen) return Adapter::trained(queue(), form, host.A, host.B);
    return Adapter::frozen(queue(), form, as_halves(host.A), as_halves(host.B));
  }

  void make_weight() {
    const std::size_t count = std::size_t{c().out} * c().in;
    if (c().bits >= 16) {
      auto values = testing::random_floats(count, 1);
      if (c().bits == 16) values = rounded(values);
      const auto halves = as_halves(values);
      const TensorInfo info{"weight", c().bits == 16 ? DType::f16 : DType::f32, {c().out, c().in}};
      linear_ =
          Linear::dense(queue(), info,
                        c().bits == 16 ? std::as_bytes(std::span(halves)) : std::as_bytes(std::span(values)));
      weight_ = doubles(values);
      weight_magnitude_ = magnitudes(weight_);
      return;
    }
    QuantizedLinear linear;
    const std::uint32_t top = 1u << c().bits;
    std::mt19937 random(1);
    std::vector<std::uint8_t> codes(count), zeros(count / c().group_size);
    for (auto& code : codes) code = static_cast<std::uint8_t>(random() % top);
    for (auto& zero : zeros) zero = static_cast<std::uint8_t>(random() % top);
    const auto scales =
        rounded(testing::random_floats(zeros.size(), 2, 0.5f, 2.0f / static_cast<float>(top)));
    linear.weight = pack({c().out, c().in, c().bits, c().group_size}, codes, as_halves(scales), zeros);
    for (std::size_t i = 0; i < count; ++i) {
      const double scale = scales[i / c().group_size], code = codes[i], zero = zeros[i / c().group_size];
      weight_.push_back(scale * (code - zero));
      weight_magnitude_.push_back(std::fabs(scale) * (code + zero));
    }
    if (!adapters_.empty() && adapters_[0].branch.frozen) {
      linear.rank = adapters_[0].branch.rank;
      linear.alpha = adapters_[0].scaling * static_cast<float>(linear.rank);
      linear.lora_A = as_halves(adapters_[0].A);
      linear.lora_B = as_halves(adapters_[0].B);
    }
    linear_ = Linear::packed(queue(), linear);
  }

  /// W + sum of scaling * B A, or the same with magnitudes: what rounding errors scale with.
  std::vector<double> effective(bool magnitude) const {
    std::vector<double> m = magnitude ? weight_magnitude_ : weight_;
    for (const HostAdapter& adapter : adapters_) {
      const auto A = magnitude ? magnitudes(doubles(adapter.A)) : doubles(adapter.A),
                 B = magnitude ? magnitudes(doubles(adapter.B)) : doubles(adapter.B);
      const std::size_t rank = adapter.branch.rank;
      const auto BA = product(c().out, c().in, rank, {B, rank, 1}, {A, 1, c().in});
      for (std::size_t i = 0; i < m.size(); ++i) m[i] += adapter.scaling * BA[i];
    }
    return m;
  }

  std::vector<double> reference_forward(const std::vector<double>& x, bool magnitude) const {
    const auto m = effective(magnitude);
    auto y = product(c().tokens, c().out, c().in, {x, c().in, 1}, {m, c().in, 1});
    if (c().bias)
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double bias = bias_[i % c().out];
        y[i] += magnitude ? std::fabs(bias) : bias;
      }
    return y;
  }

  /// Every sum has at most `terms` roundings to f32; a result in f16 is rounded by its weight, each adapter
  /// and the bias in turn.
  void expect_near(const std::vector<float>& found, const std::vector<double>& expected,
                   const std::vector<double>& magnitude, std::size_t terms, DType type,
                   const std::string& what) const {
    ASSERT_EQ(found.size(), expected.size()) << what;
    const double storage = type == DType::f16 ? 0x1p-11 * static_cast<double>(adapters_.size() + 2) : 0.0;
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], expected[i], magnitude[i] * (0x1p-24 * static_cast<double>(terms + 8) + storage))
          << what << ", element " << i;
  }

  DeviceTensor on_device(const std::vector<float>& values, const Shape& shape) const {
    DeviceTensor out(queue().device(), c().activations, shape, "test tensor");
    if (c().activations == DType::f32) queue().write(out, values.data());
    else queue().write(out, as_halves(values).data());
    return out;
  }

  std::vector<float> device_forward(const std::vector<float>& x) const {
    const auto input = on_device(x, {c().tokens, c().in}),
               y = on_device(std::vector<float>(std::size_t{c().tokens} * c().out, 0.0f),
                             {c().tokens, c().out});
    linear_.forward(queue(), kExact, input, y);
    return runtime::read_floats(queue(), y);
  }

  /// What the gradients are gradients of: sum dy * forward(x).
  double loss(const std::vector<float>& x) const {
    const auto y = device_forward(x);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(dy_[i]) * y[i];
    return sum;
  }

  std::size_t ranks() const {
    std::size_t all = 0;
    for (const auto& adapter : adapters_) all += adapter.branch.rank;
    return all;
  }

  Linear linear_;
  std::vector<HostAdapter> adapters_;
  std::vector<double> weight_, weight_magnitude_;  // [out, in]
  std::vector<float> bias_, x_, dy_;
};

TEST_P(LinearTest, Forward) {
  expect_near(device_forward(x_), reference_forward(doubles(x_), false),
              reference_forward(magnitudes(doubles(x_)), true), c().in + ranks(), c().activations, "y");
}

TEST_P(LinearTest, EffectiveWeight) {
  const DeviceTensor out(queue().device(), DType::f32, {c().out, c().in}, "effective weight");
  linear_.effective_weight(queue(), out);
  expect_near(runtime::read_floats(queue(), out), effective(false), effective(true), ranks(), DType::f32,
              "M");
}

TEST_P(LinearTest, Dx) {
  const auto expected =
      product(c().tokens, c().in, c().out, {doubles(dy_), c().out, 1}, {effective(false), 1, c().in});
  const auto magnitude = product(c().tokens, c().in, c().out, {magnitudes(doubles(dy_)), c().out, 1},
                                 {effective(true), 1, c().in});
  const auto dy = on_device(dy_, {c().tokens, c().out});
  const auto before = stored(testing::random_floats(expected.size(), 9));
  for (const bool accumulate : {false, true}) {
    const auto dx = on_device(before, {c().tokens, c().in});
    linear_.backward_dx(queue(), kExact, dy, dx, accumulate);
    auto sum = expected, largest = magnitude;
    for (std::size_t i = 0; accumulate && i < sum.size(); ++i) {
      sum[i] += before[i];
      largest[i] += std::fabs(before[i]);
    }
    expect_near(runtime::read_floats(queue(), dx), sum, largest, c().out + ranks(), c().activations,
                accumulate ? "dx accumulated" : "dx");
  }
}

TEST_P(LinearTest, AdapterGradients) {
  const auto x = on_device(x_, {c().tokens, c().in}), dy = on_device(dy_, {c().tokens, c().out});
  linear_.adapter_grads(queue(), kExact, x, dy, false);
  linear_.adapter_grads(queue(), kExact, x, dy, true);  // now twice the gradients
  const std::size_t skipped = adapters_.size() - linear_.adapters().size();
  for (std::size_t i = 0; i < linear_.adapters().size(); ++i) {
    const Adapter& adapter = linear_.adapters()[i];
    const HostAdapter& host = adapters_[skipped + i];
    EXPECT_EQ(adapter.is_frozen(), host.branch.frozen);
    if (host.branch.frozen) {
      EXPECT_EQ(adapter.gradients().memory, nullptr);
      continue;
    }
    // G = dY^T X;  dA = 2 s B^T G,  dB = 2 s G A^T.
    const auto of = [&](bool magnitude, bool is_A) {
      const auto sized = [&](const std::vector<float>& v) {
        return magnitude ? magnitudes(doubles(v)) : doubles(v);
      };
      const auto X = sized(x_), dY = sized(dy_), A = sized(host.A), B = sized(host.B);
      const std::size_t rank = host.branch.rank;
      const auto G = product(c().out, c().in, c().tokens, {dY, 1, c().out}, {X, 1, c().in});
      auto d = is_A ? product(rank, c().in, c().out, {B, 1, rank}, {G, 1, c().in})
                    : product(c().out, rank, c().in, {G, c().in, 1}, {A, c().in, 1});
      for (double& value : d) value *= 2 * host.scaling;
      return d;
    };
    expect_near(runtime::read_floats(queue(), adapter.d_A()), of(false, true), of(true, true),
                c().tokens + c().out, DType::f32, "d_A");
    expect_near(runtime::read_floats(queue(), adapter.d_B()), of(false, false), of(true, false),
                c().tokens + c().in, DType::f32, "d_B");
  }
}

TEST_P(LinearTest, GradientsAreDifferencesOfForward) {
  if (c().activations == DType::f16) GTEST_SKIP() << "differences of binary16 results are mostly rounding";
  const auto x = on_device(x_, {c().tokens, c().in}), dy = on_device(dy_, {c().tokens, c().out}),
             dx = on_device(x_, {c().tokens, c().in});
  linear_.backward_dx(queue(), kExact, dy, dx, false);
  linear_.adapter_grads(queue(), kExact, x, dy, false);
  // The loss is linear in every single value, so a large step costs no accuracy. Its rounding: that of each
  // output (2^-24 of its terms' magnitude, at random), weighted with dy.
  double rounding = 0;
  for (const double m : reference_forward(magnitudes(doubles(x_)), true)) rounding += m * m;
  const double tolerance = 0x1p-24 * std::sqrt(rounding * static_cast<double>(c().in + ranks()));
  const auto check = [&](float found, const std::function<void(float)>& shift, const std::string& what) {
    double difference = 0;
    for (const float step : {1.0f, -1.0f}) {
      shift(step);
      difference += static_cast<double>(step) * loss(x_);
      shift(0);
    }
    EXPECT_NEAR(found, difference / 2, tolerance + 1e-5 * std::fabs(difference)) << what;
  };
  const auto dx_values = runtime::read_floats(queue(), dx);
  for (const std::size_t i : {std::size_t{0}, x_.size() / 2, x_.size() - 1}) {
    const float value = x_[i];
    check(
        dx_values[i], [&](float step) { x_[i] = value + step; }, "x " + std::to_string(i));
  }
  for (const Adapter& adapter : linear_.adapters()) {
    if (adapter.is_frozen()) continue;
    const auto gradients = runtime::read_floats(queue(), adapter.gradients()),
               values = runtime::read_floats(queue(), adapter.values());
    for (const std::size_t i : {std::size_t{1}, values.size() - 2}) {  // one of A, one of B
      const auto shift = [&](float step) {
        const float value = values[i] + step;
        queue().write(adapter.values().rows(i, 1), &value);
      };
      check(gradients[i], shift, "adapter value " + std::to_string(i));
    }
  }
}

std::vector<Case> cases() {
  const std::vector<Branch> none, frozen{{5, true}}, trained{{4, false}}, both{{3, true}, {7, false}},
      three{{2, true}, {6, true}, {9, false}}, late{{8, false}, {3, true}};
  std::vector<Case> all;
  // out_features that fill no block of rows, groups in whole chunks and not, one token and several.
  for (const std::uint32_t bits : {2, 3, 4, 8, 16, 32})
    for (const auto& adapters : {none, frozen, trained, both, three}) {
      all.push_back({bits, 45, 96, 32, 9, adapters, bits % 3 == 0});
      all.push_back({bits, 33, 172, 43, 1, adapters, bits % 3 != 0});
    }
  all.push_back({4, 70, 128, 64, 37, late, true});
  all.push_back({16, 70, 128, 64, 37, late, true});
  for (const std::uint32_t bits : {2, 16}) {
    all.push_back({bits, 45, 96, 32, 9, three, true, DType::f16});
    all.push_back({bits, 45, 96, 32, 1, both, true, DType::f16});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Model, LinearTest, ::testing::ValuesIn(cases()), name_of_case);

TEST(Linear, RefusesWhatDoesNotFit) {
  auto& queue = testing::public_device().impl().queue();
  const std::vector<float> values(8 * 4);
  Linear linear = Linear::dense(queue, {"w", DType::f32, {8, 4}}, std::as_bytes(std::span(values)));
  EXPECT_THROW(linear.set_bias(queue, {"b", DType::f32, {4}}, std::as_bytes(std::span(values).first(4))),
               ShapeError);
  EXPECT_FALSE(linear.has_bias());
  const std::span<const float> A = std::span(values).first(8), B = std::span(values).first(16);
  EXPECT_THROW(linear.add_adapter(Adapter::trained(queue, {"turned", 4, 8, 2, 1.0f}, B, A)), ShapeError);
  EXPECT_THROW(Adapter::trained(queue, {"short", 8, 4, 2, 1.0f}, A, A), ShapeError);
  EXPECT_THROW(Adapter::trained(queue, {"none", 8, 4, 0, 1.0f}, {}, {}), InvalidArgument);
  linear.add_adapter(Adapter::trained(queue, {"right", 8, 4, 2, 1.0f}, A, B));
  EXPECT_EQ(linear.adapters().size(), 1u);
  EXPECT_EQ(linear.weight_bytes(), 4u * (8 * 4 + 2 * (8 + 4)));
}

}  // namespace
}  // namespace apiq
