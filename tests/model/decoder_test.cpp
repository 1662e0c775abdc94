// Decoding token by token, by the kernel that computes whole tokens and without it, against the general path
// over the same cache: one forward of ModelImpl per token and the greedy choice on the host.
#include "model/decoder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cases/public_device.hpp"
#include "family/tensor_names.hpp"
#include "io/checkpoint.hpp"
#include "io/model_directory.hpp"
#include "ops/argmax.hpp"
#include "support/temporary_folder.hpp"
#include "util/half.hpp"

namespace apiq {
namespace {

using runtime::DeviceTensor;

// Grouped heads, a ragged vocabulary, sizes that are no powers of two.
constexpr const char* kConfig =
    R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
  "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 16,
  "vocab_size": 331, "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": false,
  "attention_bias": false, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float16"})";

struct Case {
  std::uint32_t bits, rank;
  std::uint32_t odd_block_bits = 0;  // of the middle block's down_proj, where it differs
};

std::vector<std::uint16_t> halves(std::size_t count, std::uint32_t seed, float low, float high) {
  std::vector<std::uint16_t> out;
  for (const float value : testing::random_floats(count, seed, low, high))
    out.push_back(float_to_half(value));
  return out;
}

/// Weights of about 1 / sqrt(in_features), LoRA of a third of that.
QuantizedLinear random_linear(const PackedLayout& layout, std::uint32_t rank, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> codes(std::size_t{layout.out_features} * layout.in_features),
      zeros(layout.out_features * layout.groups());
  for (auto& code : codes) code = static_cast<std::uint8_t>(random() % (1u << layout.bits));
  for (auto& zero : zeros) zero = static_cast<std::uint8_t>((1u << layout.bits) / 2 - random() % 2);
  const float step =
      4.0f / static_cast<float>(1u << layout.bits) / std::sqrt(static_cast<float>(layout.in_features));
  QuantizedLinear out;
  out.weight = pack(layout, codes, halves(zeros.size(), seed + 1, 0.5f * step, step), zeros);
  out.rank = rank;
  out.alpha = rank != 0 ? 2.0f * static_cast<float>(rank) : 0.0f;
  out.lora_A = halves(std::size_t{rank} * layout.in_features, seed + 2, -0.1f, 0.1f);
  out.lora_B = halves(std::size_t{rank} * layout.out_features, seed + 3, -0.1f, 0.1f);
  return out;
}

void write_checkpoint(const std::filesystem::path& path, const Case& c, std::uint32_t broken_id) {
  CheckpointWriter writer(path, {.method = "rtn",
                                 .options_json = "{}",
                                 .provenance_json = "{}",
                                 .side_files = {{"config.json", kConfig}}});
  std::uint32_t seed = 1000;
  for (const TensorInfo& info : expected_tensors(parse_model_config(kConfig, "test"))) {
    seed += 10;
    if (info.name.find("_proj") != std::string::npos) {
      const bool odd = c.odd_block_bits != 0 && info.name.find("layers.1.mlp.down") != std::string::npos;
      const PackedLayout layout{static_cast<std::uint32_t>(info.shape[0]),
                                static_cast<std::uint32_t>(info.shape[1]), odd ? c.odd_block_bits : c.bits,
                                32};
      writer.add_linear(info.name.substr(0, info.name.size() - 7), random_linear(layout, c.rank, seed));
      continue;
    }
    const bool norm = info.shape.rank() == 1;
    auto values = halves(info.shape.elements(), seed, norm ? 0.5f : -1.0f, norm ? 1.5f : 1.0f);
    if (info.name == "model.embed_tokens.weight") values[broken_id * info.shape[1]] = 0x7e00;  // NaN
    writer.add_tensor({info.name, DType::f16, info.shape}, std::as_bytes(std::span(values)));
  }
  writer.finish();
}

std::uint32_t largest(const std::vector<float>& logits) {
  return static_cast<std::uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// The model again, one general forward per token.
class Reference {
 public:
  Reference(const ModelImpl& model, std::uint32_t capacity)
      : model_(model),
        cache_(model.queue(), model.config(), capacity, DType::f32),
        hidden_(model.queue().device(), DType::f32, {1, model.config().hidden_size}, "hidden"),
        logits_(model.queue().device(), DType::f32, {1, model.config().vocab_size}, "logits") {}

  std::vector<float> run(std::int32_t id) {
    model_.forward({id}, &cache_, position_++, hidden_);
    model_.logits(hidden_, logits_);
    return runtime::read_floats(model_.queue(), logits_);
  }

 private:
  const ModelImpl& model_;
  KvCache cache_;
  std::uint32_t position_ = 0;
  DeviceTensor hidden_, logits_;
};

class DecoderTest : public ::testing::TestWithParam<Case> {
 protected:
  static constexpr std::uint32_t kCapacity = 40, kBroken = 330;
  void SetUp() override {
    write_checkpoint(folder_.path() / "m.h5", GetParam(), kBroken);
    model_.emplace(Model::load(testing::public_device(), folder_.path() / "m.h5"));
    cache_.emplace(impl().queue(), impl().config(), kCapacity, DType::f32);
  }
  const ModelImpl& impl() const { return model_->impl(); }
  /// Whether the token kernel is to be seen at work here: on CPU devices, unless the GPU preset is asked for.
  bool expect_fused() const {
    const char* preset = std::getenv("APIQ_PRESET");
    return impl().queue().device().info().is_cpu && (preset == nullptr || std::string_view(preset) != "gpu");
  }

  test::TemporaryFolder folder_;
  std::optional<Model> model_;
  std::optional<KvCache> cache_;
  const std::vector<std::int32_t> prompt_ = {1, 30, 217, 5, 147, 9, 22};
};

TEST_P(DecoderTest, LogitsAreThoseOfTheGeneralPath) {
  if (impl().activation_dtype() != DType::f32) GTEST_SKIP() << "bounds are those of f32 activations";
  Decoder decoder(impl(), *cache_, 8);
  EXPECT_EQ(decoder.is_whole(), expect_fused() && GetParam().odd_block_bits == 0);
  Reference reference(impl(), kCapacity);
  decoder.prefill(prompt_);
  for (const auto id : prompt_) reference.run(id);
  for (std::int32_t i = 0; i < 24; ++i) {  // past one vector of keys
    const std::int32_t id = i * 13 % 329;
    decoder.feed(id);
    const auto ours = runtime::read_floats(impl().queue(), decoder.logits()), theirs = reference.run(id);
    ASSERT_EQ(ours.size(), theirs.size());
    // Logits are of order 10 (96 products of normalized values with up to 1.5); three blocks of sums of up to
    // 160 terms, each rounded on the order of 2^-24 sqrt(terms) of its size in another order: far below 1e-4
    // of 10.
    for (std::size_t k = 0; k < ours.size(); ++k)
      ASSERT_NEAR(ours[k], theirs[k], 1e-3) << "token " << i << ", logit " << k;
  }
}

TEST_P(DecoderTest, GreedyIdsAreThoseOfTheHostInBatchesOfAnySize) {
  constexpr std::uint32_t kTokens = 30;
  Reference reference(impl(), kCapacity);
  std::vector<float> logits;
  for (const auto id : prompt_) logits = reference.run(id);
  std::vector<std::uint32_t> expected;
  for (std::uint32_t i = 0; i < kTokens; ++i) {
    expected.push_back(largest(logits));
    logits = reference.run(static_cast<std::int32_t>(expected.back()));
  }
  Decoder decoder(impl(), *cache_, kTokens);
  decoder.prefill(prompt_);
  decoder.choose_first();
  for (const std::uint32_t batch : {1u, 3u, 17u, 8u})
    decoder.run_ahead(batch);  // 29; 17 is more than one launch
  std::vector<std::uint32_t> ids(kTokens);
  impl().queue().read(decoder.ids(), ids.data());
  EXPECT_EQ(ids, expected);

  // With the fifth as an end of text, the five are there all the same.
  Decoder ending(impl(), *cache_, kTokens, {static_cast<std::int32_t>(expected[4])});
  ending.prefill(prompt_);
  ending.choose_first();
  ending.run_ahead(12);
  ending.run_ahead(3);
  impl().queue().read(ending.ids(), ids.data());
  const auto end = std::find(expected.begin(), expected.end(), expected[4]) + 1;
  EXPECT_EQ(std::vector(ids.begin(), ids.begin() + (end - expected.begin())),
            std::vector(expected.begin(), end));
}

/// The tables of rotations grow for the second session; the first one's own must stay where they are.
TEST_P(DecoderTest, GoesOnWhileALongerSessionBegins) {
  if (impl().activation_dtype() != DType::f32) GTEST_SKIP() << "bounds are those of f32 activations";
  Decoder first(impl(), *cache_, 8);
  first.prefill(prompt_);
  const KvCache long_cache(impl().queue(), impl().config(), impl().config().max_position_embeddings,
                           DType::f32);
  Decoder second(impl(), long_cache, 8);
  second.prefill(prompt_);
  Reference reference(impl(), kCapacity);
  for (const auto id : prompt_) reference.run(id);
  for (const std::int32_t id : {3, 77, 5}) {
    first.feed(id);
    const auto ours = runtime::read_floats(impl().queue(), first.logits()), theirs = reference.run(id);
    for (std::size_t k = 0; k < ours.size(); ++k) ASSERT_NEAR(ours[k], theirs[k], 1e-3) << k;
  }
}

TEST_P(DecoderTest, EveryStageOfAPackedBlockIsFused) {
  const BlockSpec& spec = impl().config().block;
  const model::DecodePlan plan(spec, impl().blocks()[0], DType::f32);
  EXPECT_EQ(plan.fused_stages(), spec.stages.size());
}

TEST_P(DecoderTest, SaysThatLogitsAreNotFinite) {
  Decoder decoder(impl(), *cache_, 4);
  decoder.prefill(prompt_);
  decoder.feed(static_cast<std::int32_t>(kBroken));
  const auto logits = runtime::read_floats(impl().queue(), decoder.logits());
  EXPECT_TRUE(std::isnan(logits[0]));
  const DeviceTensor id(impl().queue().device(), DType::u32, {1}, "id");
  ops::argmax(impl().queue(), decoder.logits(), id);
  std::vector<std::uint32_t> ids(4);
  impl().queue().read(id, ids.data());
  EXPECT_EQ(ids[0], ops::kNotFinite);
  if (!decoder.is_whole()) return;
  impl().queue().read(decoder.ids(), ids.data());
  EXPECT_EQ(ids[1], ops::kNotFinite);
}

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
  return "bits" + std::to_string(info.param.bits) + "rank" + std::to_string(info.param.rank) +
         (info.param.odd_block_bits != 0 ? "mixed" : "");
}
INSTANTIATE_TEST_SUITE_P(Settings, DecoderTest,
                         ::testing::Values(Case{2, 20}, Case{2, 0}, Case{3, 4}, Case{4, 16}, Case{2, 4, 4}),
                         name_of_case);

}  // namespace
}  // namespace apiq
