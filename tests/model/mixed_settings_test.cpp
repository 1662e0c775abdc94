// A checkpoint whose linears all differ (bits, groups, ranks, two of them not quantized) against a model
// directory put together by hand: every linear's weight as one f32 matrix, W = dequantized codes + scaling *
// B A.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>

#include "apiq/inspect.hpp"
#include "cases/public_device.hpp"
#include "io/tiny_checkpoint.hpp"
#include "model/model_impl.hpp"
#include "support/safetensors_file.hpp"
#include "util/half.hpp"

namespace apiq {
namespace {

using runtime::DeviceTensor;
using testing_support::TemporaryFolder;

struct Setting {
  const char* linear;
  std::uint32_t bits;  // 0: left as it is, of type `dense`
  std::uint32_t group_size, rank;
  DType dense;
};

// In the tiny model all in_features are 32, but for down_proj's 172.
constexpr Setting kSettings[] = {
    {"self_attn.q_proj", 2, 32, 0, DType::f32}, {"self_attn.k_proj", 3, 16, 4, DType::f32},
    {"self_attn.v_proj", 0, 0, 0, DType::bf16}, {"self_attn.o_proj", 8, 8, 2, DType::f32},
    {"mlp.gate_proj", 4, 32, 8, DType::f32},    {"mlp.up_proj", 0, 0, 0, DType::f16},
    {"mlp.down_proj", 4, 43, 3, DType::f32},
};

/// A checkpoint and the same model as f32 matrices.
struct Twins {
  CheckpointMeta meta{.method = "rtn",
                      .options_json = "{}",
                      .provenance_json = "{}",
                      .side_files = {{"config.json", testing_support::kTinyConfig}}};
  std::vector<std::pair<std::string, QuantizedLinear>> linears;
  std::vector<std::pair<TensorInfo, std::vector<std::byte>>> tensors;
  std::map<std::string, std::pair<Shape, std::vector<float>>> matrices;
};

std::vector<std::uint16_t> halves(std::size_t count, std::uint32_t seed, float low, float high) {
  std::vector<std::uint16_t> out;
  for (float value : testing::random_floats(count, seed, low, high)) out.push_back(float_to_half(value));
  return out;
}

/// Sizes of the values are those of a trained model, so that the logits are of order 1 and no difference
/// drowns.
QuantizedLinear packed_linear(const PackedLayout& layout, std::uint32_t rank, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> codes(std::size_t{layout.out_features} * layout.in_features),
      zeros(layout.out_features * layout.groups());
  for (auto& code : codes) code = static_cast<std::uint8_t>(random() % (1u << layout.bits));
  for (auto& zero : zeros) zero = static_cast<std::uint8_t>((1u << layout.bits) / 2 - random() % 2);
  QuantizedLinear out;
  out.weight = pack(layout, codes,
                    halves(zeros.size(), seed + 1, 0.2f / static_cast<float>(1u << layout.bits),
                           0.8f / static_cast<float>(1u << layout.bits)),
                    zeros);
  out.rank = rank;
  out.alpha = rank ? 6.0f : 0.0f;
  out.lora_A = halves(std::size_t{rank} * layout.in_features, seed + 2, -0.3f, 0.3f);
  out.lora_B = halves(std::size_t{rank} * layout.out_features, seed + 3, -0.3f, 0.3f);
  return out;
}

std::vector<float> merged(const QuantizedLinear& linear) {
  const PackedLayout& l = linear.weight.layout;
  std::vector<float> w = dequantize(linear.weight);
  for (std::uint32_t o = 0; o < l.out_features; ++o)
    for (std::uint32_t i = 0; i < l.in_features; ++i) {
      double sum = w[o * l.in_features + i];
      for (std::uint32_t r = 0; r < linear.rank; ++r)
        sum += static_cast<double>(linear.alpha) / linear.rank *
               half_to_float(linear.lora_B[o * linear.rank + r]) *
               half_to_float(linear.lora_A[r * l.in_features + i]);
      w[o * l.in_features + i] = static_cast<float>(sum);
    }
  return w;
}

std::vector<std::byte> stored(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> out;
  const auto append = [&](const auto& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
  };
  for (float value : values) {
    if (dtype == DType::f32) append(value);
    else if (dtype == DType::f16) append(float_to_half(value));
    else append(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16));
  }
  return out;
}

Twins make_twins() {
  Twins twins;
  std::uint32_t seed = 100;
  for (const TensorInfo& info : expected_tensors(parse_model_config(testing_support::kTinyConfig, "tiny"))) {
    seed += 10;
    const auto setting = std::find_if(std::begin(kSettings), std::end(kSettings), [&](const Setting& s) {
      return info.name == std::string("model.layers.0.") + s.linear + ".weight";
    });
    if (setting != std::end(kSettings) && setting->bits != 0) {
      const PackedLayout layout{static_cast<std::uint32_t>(info.shape[0]),
                                static_cast<std::uint32_t>(info.shape[1]), setting->bits,
                                setting->group_size};
      twins.linears.emplace_back(info.name.substr(0, info.name.size() - 7),
                                 packed_linear(layout, setting->rank, seed));
      twins.matrices[info.name] = {info.shape, merged(twins.linears.back().second)};
      continue;
    }
    const DType dtype = setting != std::end(kSettings) ? setting->dense : DType::f32;
    const bool norm = info.shape.rank() == 1;
    const auto bytes = stored(
        testing::random_floats(info.shape.elements(), seed, norm ? 0.5f : -0.5f, norm ? 1.5f : 0.5f), dtype);
    twins.tensors.emplace_back(TensorInfo{info.name, dtype, info.shape}, bytes);
    twins.matrices[info.name] = {info.shape, to_f32(dtype, bytes, info.name)};
  }
  return twins;
}

void write_checkpoint(const std::filesystem::path& path, const Twins& twins) {
  CheckpointWriter writer(path, twins.meta);
  for (const auto& [name, linear] : twins.linears) writer.add_linear(name, linear);
  for (const auto& [info, bytes] : twins.tensors) writer.add_tensor(info, bytes);
  writer.finish();
}

void write_directory(const std::filesystem::path& folder, const Twins& twins) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << testing_support::kTinyConfig;
  std::string header = "{", data;
  for (const auto& [name, matrix] : twins.matrices) {
    const auto& [shape, values] = matrix;
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    header += (header.size() > 1 ? "," : "") + std::string("\"") + name +
              "\":{\"dtype\":\"F32\",\"shape\":" + shape.text() + ",\"data_offsets\":[" +
              std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
  }
  std::ofstream(folder / "model.safetensors", std::ios::binary)
      << test::safetensors_bytes(header + "}", data);
}

std::vector<float> logits(const Model& model, const std::vector<std::int32_t>& ids) {
  const ModelImpl& impl = model.impl();
  const DeviceTensor hidden(impl.queue().device(), DType::f32, {ids.size(), impl.config().hidden_size},
                            "hidden"),
      out(impl.queue().device(), DType::f32, {ids.size(), impl.config().vocab_size}, "logits");
  impl.forward(ids, nullptr, 0, hidden);
  impl.logits(hidden, out);
  return runtime::read_floats(impl.queue(), out);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

class MixedSettings : public ::testing::Test {
 protected:
  void SetUp() override {
    write_checkpoint(folder / "m.h5", make_twins());
    write_directory(folder / "twin", make_twins());
  }
  TemporaryFolder folder;
};

TEST_F(MixedSettings, CheckpointComputesWhatItsMatricesDo) {
  const Model checkpoint = Model::load(testing::public_device(), folder / "m.h5"),
              twin = Model::load(testing::public_device(), folder / "twin");
  // One token and many: the kernels for decoding and for prompts are different ones.
  for (const std::vector<std::int32_t>& ids :
       {std::vector<std::int32_t>{7}, {1, 30, 17, 5, 47, 9, 22, 11, 40, 3, 2, 19}}) {
    const auto a = logits(checkpoint, ids), b = logits(twin, ids);
    ASSERT_EQ(a.size(), ids.size() * 48);
    // Logits of order 1 through sums of at most 172 terms, a dozen of them in a row: f32 roundings stay far
    // below 1e-4.
    EXPECT_LT(largest_difference(a, b), 1e-4) << ids.size() << " tokens";
    EXPECT_GT(*std::max_element(b.begin(), b.end()), 0.1f);
  }
}

TEST_F(MixedSettings, TheReferenceTellsSettingsApart) {  // so that the agreement above means something
  const Model base = Model::load(testing::public_device(), folder / "m.h5", false),
              twin = Model::load(testing::public_device(), folder / "twin");
  EXPECT_GT(largest_difference(logits(base, {1, 30, 17}), logits(twin, {1, 30, 17})), 1e-2);
}

TEST_F(MixedSettings, SummariesNameAllBits) {
  const Model model = Model::load(testing::public_device(), folder / "m.h5");
  EXPECT_EQ(model.summary().bits_used, (std::vector<std::uint32_t>{2, 3, 4, 8, 16}));
  EXPECT_EQ(model.summary().bits, 4u);  // gate_proj and down_proj: 2 * 32 * 172 of 19584 weights
  EXPECT_EQ(Model::load(testing::public_device(), folder / "twin").summary().bits_used,
            std::vector<std::uint32_t>{32});

  verify(folder / "m.h5");
  const FileSummary summary = inspect(folder / "m.h5");
  ASSERT_EQ(summary.linears.size(), 5u);
  EXPECT_EQ(summary.dense_linears,
            (std::vector<std::string>{"model.layers.0.mlp.up_proj", "model.layers.0.self_attn.v_proj"}));
  std::vector<std::string> solved_in_order;
  for (const Setting& setting : kSettings)
    solved_in_order.push_back("model.layers.0." + std::string(setting.linear));
  EXPECT_EQ(summary.linear_names, solved_in_order);
  double bytes = 0, weights = 0;
  for (const LinearSummary& linear : summary.linears) {
    const auto setting = std::find_if(std::begin(kSettings), std::end(kSettings),
                                      [&](const Setting& s) { return linear.name.ends_with(s.linear); });
    ASSERT_NE(setting, std::end(kSettings));
    EXPECT_EQ(linear.bits, setting->bits);
    EXPECT_EQ(linear.group_size, setting->group_size);
    EXPECT_EQ(linear.rank, setting->rank);
    bytes += static_cast<double>(linear.bytes);
    weights += static_cast<double>(linear.out_features) * linear.in_features;
  }
  EXPECT_DOUBLE_EQ(summary.bits_per_weight, 8 * bytes / weights);
}

TEST_F(MixedSettings, ComparingNamesLinearsThatOneSideLeftAsTheyAre) {
  Twins other = make_twins();
  const auto [name, linear] = other.linears.back();
  other.linears.pop_back();
  const auto& [shape, values] = other.matrices.at(name + ".weight");
  other.tensors.emplace_back(TensorInfo{name + ".weight", DType::f32, shape}, stored(values, DType::f32));
  write_checkpoint(folder / "other.h5", other);
  EXPECT_EQ(compare(folder / "m.h5", folder / "other.h5"),
            (std::vector<std::string>{name + ": only in the first", name + ".weight: only in the second"}));
  EXPECT_TRUE(compare(folder / "m.h5", folder / "m.h5").empty());
}

}  // namespace
}  // namespace apiq
