// The whole model on real weights: decoding over the cache agrees with one pass, packed and dense agree on
// the same values.
#include "apiq/model.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "cases/public_device.hpp"
#include "io/safetensors.hpp"
#include "model/model_impl.hpp"
#include "ops/qmatmul.hpp"
#include "support/paths.hpp"
#include "support/safetensors_file.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

using runtime::DeviceTensor;
using runtime::TensorView;

const std::string kModel = std::string(APIQ_SOURCE_DIR) + "/data/novels-6m";
const std::vector<std::int32_t> kIds = {1, 300, 17, 2048, 999, 5, 77, 4000, 1234, 42, 300, 17};

std::vector<float> logits_of(const ModelImpl& model, const TensorView& hidden) {
  const DeviceTensor out(model.queue().device(), DType::f32, {hidden.shape[0], model.config().vocab_size},
                         "logits");
  model.logits(hidden, out);
  return runtime::read_floats(model.queue(), out);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

TEST(Model, DecodingOverTheCacheAgreesWithOnePass) {
  const Model model = Model::load(testing::public_device(), kModel);
  const ModelImpl& impl = model.impl();
  const auto hidden_size = impl.config().hidden_size;
  const DeviceTensor all(impl.queue().device(), DType::f32, {kIds.size(), hidden_size}, "hidden");
  impl.forward(kIds, nullptr, 0, all);
  const auto at_once = logits_of(impl, all);

  // Five tokens in one go, then one at a time.
  KvCache cache(impl.queue(), impl.config(), 16, DType::f32);
  const DeviceTensor first(impl.queue().device(), DType::f32, {5, hidden_size}, "hidden"),
      one(impl.queue().device(), DType::f32, {1, hidden_size}, "hidden");
  impl.forward({kIds.begin(), kIds.begin() + 5}, &cache, 0, first);
  auto stepwise = logits_of(impl, first);
  for (std::size_t i = 5; i < kIds.size(); ++i) {
    impl.forward({kIds[i]}, &cache, static_cast<std::uint32_t>(i), one);
    const auto row = logits_of(impl, one);
    stepwise.insert(stepwise.end(), row.begin(), row.end());
  }
  // Logits are of order 10; other kernels add in another order: a few hundred f32 roundings.
  EXPECT_LT(largest_difference(at_once, stepwise), 1e-3);
}

/// Under AddressSanitizer this also shows that nothing of the device is used after it is gone.
TEST(Model, OutlivesTheHandleOfItsDevice) {
  const Model model = [] {
    Device device = Device::open({.selector = default_device_selector()});
    return Model::load(device, kModel);
  }();
  const ModelImpl& impl = model.impl();
  const DeviceTensor hidden(impl.queue().device(), DType::f32, {kIds.size(), impl.config().hidden_size},
                            "hidden");
  impl.forward(kIds, nullptr, 0, hidden);
  const auto logits = logits_of(impl, hidden);
  const Model other = Model::load(testing::public_device(), kModel);
  const DeviceTensor again(other.impl().queue().device(), DType::f32, hidden.shape(), "hidden");
  other.impl().forward(kIds, nullptr, 0, again);
  EXPECT_EQ(logits, logits_of(other.impl(), again));
}

TEST(Model, RefusesMorePositionsThanItHas) {
  const Model model = Model::load(testing::public_device(), kModel);
  const std::vector<std::int32_t> ids(513, 5);
  const DeviceTensor hidden(model.impl().queue().device(), DType::f32, {513, 256}, "hidden");
  EXPECT_THROW(model.impl().forward(ids, nullptr, 0, hidden), InvalidArgument);
  EXPECT_THROW(Model::load(testing::public_device(), "/no/such/model"), IoError);
}

TEST(Linear, WeightsUploadedInPiecesAreThoseUploadedWhole) {
  // 3 Mi + 5 elements of each type: 6 and 12 MiB, more than one piece, and a ragged end.
  const std::uint64_t count = (3u << 20) + 5;
  std::string data;
  for (std::uint64_t i = 0; i < 8 * count; ++i)
    data += static_cast<char>((i * 2654435761u >> 11) & 0x3f);  // no NaN, so equal means equal
  const auto entry = [&](const char* name, const char* type, std::uint64_t begin, std::uint64_t end) {
    return "\"" + std::string(name) + R"(":{"dtype":")" + type + R"(","shape":[)" + std::to_string(count) +
           R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}";
  };
  const test::TemporaryFolder folder;
  const SafetensorsFile file(folder.write(
      "m.safetensors", test::safetensors_bytes("{" + entry("h", "F16", 0, 2 * count) + "," +
                                                   entry("b", "BF16", 2 * count, 4 * count) + "," +
                                                   entry("f", "F32", 4 * count, 8 * count) + "}",
                                               data)));
  auto& queue = testing::public_device().impl().queue();
  for (const TensorInfo& info : file.tensors()) {
    const DeviceTensor whole = model::upload_tensor(queue, info, file.bytes(info.name)),
                       pieces = model::upload_tensor(queue, file, info.name);
    EXPECT_EQ(pieces.dtype(), info.dtype == DType::f16 ? DType::f16 : DType::f32);
    EXPECT_TRUE(runtime::read_floats(queue, pieces) == runtime::read_floats(queue, whole)) << info.name;
  }
  EXPECT_THROW(model::upload_tensor(queue, file, "absent"), FormatError);
}

TEST(Linear, PackedForwardIsTheDequantizedWeightPlusLora) {
  auto& queue = testing::public_device().impl().queue();
  const std::uint32_t out = 40, in = 96, rank = 4, tokens = 9;
  QuantizedLinear stored;
  std::vector<std::uint8_t> codes(out * in), zeros(out * in / 32);
  std::vector<std::uint16_t> scales(zeros.size());
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>((i * 7 + i / 5) % 8);
  for (std::size_t i = 0; i < zeros.size(); ++i)
    zeros[i] = i % 8, scales[i] = float_to_half(0.01f * static_cast<float>(1 + i % 5));
  stored.weight = pack({out, in, 3, 32}, codes, scales, zeros);
  stored.rank = rank;
  stored.alpha = 8;
  for (std::uint32_t i = 0; i < rank * in; ++i)
    stored.lora_A.push_back(float_to_half(0.1f * static_cast<float>(i % 7) - 0.3f));
  for (std::uint32_t i = 0; i < out * rank; ++i)
    stored.lora_B.push_back(float_to_half(0.05f * static_cast<float>(i % 11) - 0.2f));

  const auto x = testing::random_floats(tokens * in, 4);
  const DeviceTensor input = testing::upload_to(queue, x, {tokens, in}),
                     with_lora(queue.device(), DType::f32, {tokens, out}, "y"),
                     without(queue.device(), DType::f32, {tokens, out}, "y");
  model::Linear::packed(queue, stored).forward(queue, runtime::Rounding::none, input, with_lora);
  model::Linear::packed(queue, stored, false).forward(queue, runtime::Rounding::none, input, without);
  const auto y = runtime::read_floats(queue, with_lora), base = runtime::read_floats(queue, without),
             w = dequantize(stored.weight);
  for (std::uint32_t t = 0; t < tokens; ++t)
    for (std::uint32_t o = 0; o < out; ++o) {
      double plain = 0, adapter = 0;
      for (std::uint32_t i = 0; i < in; ++i) plain += static_cast<double>(w[o * in + i]) * x[t * in + i];
      for (std::uint32_t r = 0; r < rank; ++r) {
        double low = 0;
        for (std::uint32_t i = 0; i < in; ++i)
          low += static_cast<double>(half_to_float(stored.lora_A[r * in + i])) * x[t * in + i];
        adapter += 2.0 * low * half_to_float(stored.lora_B[o * rank + r]);
      }
      // Sums of about 100 terms below 1: f32 rounding stays under 1e-4.
      EXPECT_NEAR(base[t * out + o], plain, 1e-4);
      EXPECT_NEAR(y[t * out + o], plain + adapter, 1e-4);
    }
}

}  // namespace
}  // namespace apiq
