// A one-block model of ragged sizes with random packed weights, for tests of the checkpoint format.
#pragma once
#include <cstring>
#include <filesystem>
#include <random>

#include "family/tensor_names.hpp"
#include "io/checkpoint.hpp"
#include "io/model_directory.hpp"

namespace apiq::testing_support {

inline constexpr const char* kTinyConfig =
    R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
  "hidden_size": 32, "intermediate_size": 172, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
  "vocab_size": 48, "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": false,
  "attention_bias": false, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float16"})";

/// An empty folder of this test's own, removed at the end.
struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "apiq-test-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path operator/(const char* name) const { return path / name; }
};

// Exponent field at most 30: every finite binary16.
inline std::uint16_t finite_half(std::mt19937& random) {
  return static_cast<std::uint16_t>((random() & 0x83ffu) | random() % 31 << 10);
}

inline QuantizedLinear random_linear(const PackedLayout& layout, std::uint32_t rank, std::mt19937& random) {
  std::vector<std::uint8_t> codes(std::size_t{layout.out_features} * layout.in_features),
      zeros(layout.out_features * layout.groups());
  std::vector<std::uint16_t> scales(zeros.size());
  for (auto& c : codes) c = static_cast<std::uint8_t>(random() & ((1u << layout.bits) - 1));
  for (auto& z : zeros) z = static_cast<std::uint8_t>(random() & ((1u << layout.bits) - 1));
  for (auto& s : scales) s = finite_half(random);
  QuantizedLinear linear;
  linear.weight = pack(layout, codes, scales, zeros);
  linear.symmetric = random() & 1;
  linear.rank = rank;
  linear.alpha = rank ? 16.5f : 0.0f;
  linear.lora_A.resize(std::size_t{rank} * layout.in_features);
  linear.lora_B.resize(std::size_t{rank} * layout.out_features);
  for (auto& a : linear.lora_A) a = finite_half(random);
  for (auto& b : linear.lora_B) b = finite_half(random);
  return linear;
}

struct TinyCheckpoint {
  CheckpointMeta meta;
  std::map<std::string, QuantizedLinear> linears;
  std::vector<TensorInfo> infos;
  std::vector<std::vector<std::byte>> tensors;
  std::string report = R"({"blocks":[{"index":0,"loss_last":0.25}]})";
};

/// Bits 2, 3, 4, 8, ranks 0 and 4, and f32, f16, bf16 tensors all occur.
inline TinyCheckpoint make_tiny(std::uint32_t seed = 7) {
  std::mt19937 random(seed);
  TinyCheckpoint tiny;
  tiny.meta = {
      .method = "apiq-lw",
      .options_json = R"({"bits":2,"note":"größer"})",
      .provenance_json = R"({"seed":7})",
      .side_files = {
          {"config.json", kTinyConfig}, {"tokenizer.model", std::string("\0\1\xff", 3)}, {"empty.txt", ""}}};
  static constexpr std::uint32_t kBits[] = {2, 3, 4, 8, 2, 3, 4};
  static constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16};
  int linear = 0;
  for (const auto& info : expected_tensors(parse_model_config(kTinyConfig, "tiny"))) {
    if (info.name.find("_proj") != std::string::npos) {
      const auto in = static_cast<std::uint32_t>(info.shape[1]);
      const PackedLayout layout{.out_features = static_cast<std::uint32_t>(info.shape[0]),
                                .in_features = in,
                                .bits = kBits[linear],
                                .group_size = in == 172 ? 43u : 16u};
      tiny.linears.emplace(info.name.substr(0, info.name.size() - 7),
                           random_linear(layout, linear % 2 ? 4 : 0, random));
      ++linear;
      continue;
    }
    tiny.infos.push_back({info.name, kTypes[tiny.infos.size() % 3], info.shape});
    tiny.tensors.emplace_back(info.shape.elements() * size_of(tiny.infos.back().dtype));
    for (auto& b : tiny.tensors.back()) b = static_cast<std::byte>(random());
  }
  return tiny;
}

/// The linear as a run with --modules leaves it: its weight among the tensors, as the model has it. Any
/// finite numbers.
inline void leave_dense(TinyCheckpoint& tiny, const std::string& linear, DType dtype) {
  const auto node = tiny.linears.extract(linear);
  const PackedLayout& layout = node.mapped().weight.layout;
  tiny.infos.push_back({linear + ".weight", dtype, {layout.out_features, layout.in_features}});
  std::mt19937 random(5);
  std::vector<std::byte> bytes(tiny.infos.back().shape.elements() * size_of(dtype));
  for (std::size_t i = 0; i < bytes.size();
       ++i)  // the upper byte of every number in all three types, kept from the largest exponent
    bytes[i] =
        static_cast<std::byte>(i % size_of(dtype) + 1 == size_of(dtype) ? random() & 0xbb : random() & 0xff);
  tiny.tensors.push_back(bytes);
}

inline void add_all(CheckpointWriter& writer, const TinyCheckpoint& tiny) {
  for (const auto& [name, linear] : tiny.linears) writer.add_linear(name, linear);
  for (std::size_t i = 0; i < tiny.infos.size(); ++i) writer.add_tensor(tiny.infos[i], tiny.tensors[i]);
  writer.add_report(tiny.report);
}

inline void write_tiny(const std::filesystem::path& path, const TinyCheckpoint& tiny) {
  CheckpointWriter writer(path, tiny.meta);
  add_all(writer, tiny);
  writer.finish();
}

}  // namespace apiq::testing_support
