#include "io/model_directory.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "apiq/error.hpp"
#include "family/tensor_names.hpp"
#include "io/safetensors.hpp"
#include "util/atomic_file.hpp"
#include "util/sha256.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSideFiles[] = {
    "config.json",    "generation_config.json",  "tokenizer.model",   "tokenizer_config.json",
    "tokenizer.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"};
constexpr std::uint64_t kSideFileLimit = std::uint64_t{64} << 20;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

/// exists() that reports a folder we may not look into as our own error.
bool present(const fs::path& path) {
  std::error_code error;
  const bool found = fs::exists(path, error);
  if (error) throw IoError(path.string() + ": cannot be examined: " + error.message());
  return found;
}

std::map<std::string, std::string> read_side_files(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const char* name : kSideFiles)
    if (present(folder / name)) files[name] = read_file(folder / name, kSideFileLimit);
  return files;
}

/// Why a folder without safetensors cannot be used.
[[noreturn]] void refuse_without_tensors(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("pytorch_model") && entry.path().extension() == ".bin")
      throw Unsupported(
          folder.string() + ": holds " + name +
          " but no safetensors; such pickle files run code when they are loaded and are not read. "
          "Convert with transformers: "
          "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder, "
          "safe_serialization=True)");
  }
  throw FormatError(folder.string() + ": expected " + kSingleFile + " or " + kIndexFile +
                    " with its shards, found neither");
}

/// "a, b, c and 4 more"
std::string first_few(const std::vector<std::string>& names) {
  const std::size_t shown = std::min<std::size_t>(names.size(), 3);
  const std::string text = join({names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown)}, ", ");
  return names.size() > shown ? text + " and " + std::to_string(names.size() - shown) + " more" : text;
}

void check_expected(const fs::path& folder, const ModelConfig& config, const TensorSource& tensors) {
  std::vector<std::string> missing;
  for (const TensorInfo& expected : expected_tensors(config)) {
    const TensorInfo* found = tensors.find(expected.name);
    if (found == nullptr) {
      missing.push_back(expected.name);
      continue;
    }
    const std::string where = folder.string() + ": tensor '" + expected.name + "': ";
    if (!(found->shape == expected.shape))
      throw FormatError(where + "expected shape " + expected.shape.text() + " from config.json, found " +
                        found->shape.text());
    if (found->dtype != DType::f32 && found->dtype != DType::f16 && found->dtype != DType::bf16)
      throw Unsupported(where + "expected F32, F16 or BF16 weights, found " +
                        std::string(name_of(found->dtype)));
  }
  if (!missing.empty())
    throw FormatError(folder.string() +
                      ": tensors that config.json calls for are missing: " + first_few(missing));
}

/// A stored lm_head of a tied model: readers differ in which matrix they use, so it is accepted only where
/// that makes no difference.
void check_tied_head(const fs::path& folder, const TensorSource& tensors) {
  const TensorInfo* head = tensors.find(kHeadTensor);
  const TensorInfo* embedding = tensors.find(kEmbeddingTensor);
  const auto same = [&] {
    if (head->dtype != embedding->dtype || !(head->shape == embedding->shape)) return false;
    bool equal = true;
    std::vector<std::byte> other;
    for_each_chunk(tensors, head->name, kStreamChunkBytes,
                   [&](std::uint64_t offset, std::span<const std::byte> chunk) {
                     other.resize(chunk.size());
                     tensors.read(embedding->name, offset, other);
                     equal = equal && std::memcmp(chunk.data(), other.data(), chunk.size()) == 0;
                   });
    return equal;
  };
  if (!same())
    throw FormatError(folder.string() + ": tie_word_embeddings is true, yet " + std::string(kHeadTensor) +
                      " differs from " + std::string(kEmbeddingTensor) +
                      "; set tie_word_embeddings to false to use it, or remove the tensor");
}

void check_no_others(const fs::path& folder, const ModelConfig& config, const TensorSource& tensors) {
  std::set<std::string> known;
  for (const TensorInfo& expected : expected_tensors(config)) known.insert(expected.name);
  std::vector<std::string> unknown;
  for (const TensorInfo& info : tensors.tensors()) {
    // Old checkpoints store RoPE's frequencies, which follow from config.json.
    if (known.contains(info.name) || info.name.ends_with(".rotary_emb.inv_freq")) continue;
    if (info.name == kHeadTensor) {
      check_tied_head(folder, tensors);
      continue;
    }
    if (info.name.ends_with(".bias"))
      throw Unsupported(folder.string() + ": tensor '" + info.name + "': a " + config.architecture +
                        " has no such bias, and biases are not left out; supported: those of the family");
    unknown.push_back(excerpt(info.name));
  }
  if (!unknown.empty())
    throw Unsupported(folder.string() + ": tensors that a " + config.architecture + " does not have: " +
                      first_few(unknown) + "; leaving them out would compute another model");
}

}  // namespace

ModelDirectory ModelDirectory::open(const fs::path& folder) {
  std::error_code error;
  if (!present(folder)) throw IoError(folder.string() + ": there is no such model directory");
  if (!fs::is_directory(folder, error))
    throw IoError(folder.string() + ": expected a model directory with config.json, found a file");
  ModelDirectory model;
  model.folder_ = folder;
  model.side_files_ = read_side_files(folder);
  const auto config = model.side_files_.find("config.json");
  if (config == model.side_files_.end())
    throw FormatError(folder.string() + ": expected a model directory, found no config.json in it");
  model.config_ = parse_model_config(config->second, (folder / "config.json").string());
  const auto generation = model.side_files_.find("generation_config.json");
  if (generation != model.side_files_.end())
    apply_generation_config(model.config_, generation->second, (folder / "generation_config.json").string());

  if (present(folder / kSingleFile)) {
    auto single = std::make_unique<SafetensorsFile>(folder / kSingleFile);
    model.tensor_files_ = {single.get()};
    model.tensors_ = std::move(single);
  } else if (present(folder / kIndexFile)) {
    auto sharded = std::make_unique<ShardedSafetensors>(folder / kIndexFile);
    model.tensor_files_ = sharded->files();
    model.index_ = folder / kIndexFile;
    model.tensors_ = std::move(sharded);
  } else {
    refuse_without_tensors(folder);
  }
  check_expected(folder, model.config_, *model.tensors_);
  check_no_others(folder, model.config_, *model.tensors_);
  return model;
}

std::map<std::string, std::string> ModelDirectory::check_and_hash(
    const std::function<void()>& between) const {
  std::map<std::string, std::string> out;
  for (const auto& [name, bytes] : side_files_) out[name] = sha256_of(bytes);
  if (!index_.empty()) out[index_.filename().string()] = sha256_of_file(index_);
  for (const SafetensorsFile* file : tensor_files_)
    out[file->path().filename().string()] =
        file->sha256([&](const TensorInfo& info, std::uint64_t offset, std::span<const std::byte> part) {
          between();
          check_finite(info, part, offset / size_of(info.dtype));
        });
  return out;
}

}  // namespace apiq
