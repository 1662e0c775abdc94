#include "model/model_impl.hpp"

#include <algorithm>

#include "apiq/error.hpp"
#include "family/tensor_names.hpp"
#include "model/block_run.hpp"
#include "ops/fast_path/fast_path.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"

namespace apiq {

using model::Block;
using model::Linear;
using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;
using runtime::Workspace;

namespace {

std::uint32_t bits_of(const TensorInfo& info) { return info.dtype == DType::f32 ? 32 : 16; }

}  // namespace

KvCache::KvCache(Queue& queue, const ModelConfig& config, std::uint32_t capacity, DType dtype)
    : capacity_(capacity) {
  constexpr std::uint64_t kOneTensor = 256 << 20;  // larger ones are left to the driver in pieces
  const std::uint64_t bytes =
      std::uint64_t{config.num_hidden_layers} * capacity * config.kv_features() * size_of(dtype);
  layers_per_tensor_ =
      bytes <= std::min(kOneTensor, queue.device().info().max_buffer_bytes) ? config.num_hidden_layers : 1;
  for (std::uint32_t i = 0; i < config.num_hidden_layers; i += layers_per_tensor_) {
    k_.emplace_back(queue.device(), dtype,
                    Shape{std::uint64_t{capacity} * layers_per_tensor_, config.kv_features()}, "key cache");
    v_.emplace_back(queue.device(), dtype,
                    Shape{std::uint64_t{capacity} * layers_per_tensor_, config.kv_features()}, "value cache");
  }
}

model::KvView KvCache::layer(std::uint32_t index) const {
  const std::uint32_t tensor = index / layers_per_tensor_, row = index % layers_per_tensor_ * capacity_;
  return {k_[tensor].view().rows(row, capacity_), v_[tensor].view().rows(row, capacity_)};
}

std::unique_ptr<ModelImpl> ModelImpl::load(Device& device, const std::filesystem::path& path, bool use_lora) {
  ops::settle_fast_paths(device.impl().queue());
  std::unique_ptr<ModelImpl> model(new ModelImpl(device.shared()));
  model->summary_.path = path.string();
  if (std::filesystem::is_directory(path)) model->load_directory(ModelDirectory::open(path));
  else if (std::filesystem::exists(path)) model->load_checkpoint(CheckpointReader::open(path), use_lora);
  else
    throw IoError(
        path.string() +
        ": no such model; expected a Hugging Face directory or a checkpoint written by apiq-quantize");
  model->finish_loading();
  return model;
}

void ModelImpl::load_directory(const ModelDirectory& directory) {
  config_ = directory.config();
  side_files_ = directory.side_files();
  const TensorSource& source = directory.tensors();
  std::map<std::uint32_t, std::uint64_t> weights;
  load_parts(
      [&](const std::string& name) {
        return StoredTensor{*source.find(name), {}, source.bytes(name)};
      },
      [&](const std::string& name) {
        const TensorInfo& info = *source.find(name + ".weight");
        weights[bits_of(info)] += info.shape.elements();
        return Linear::dense(queue_, source, info.name);
      });
  set_bits(weights);
}

void ModelImpl::load_checkpoint(const CheckpointReader& reader, bool use_lora) {
  config_ = reader.config();
  side_files_ = reader.meta().side_files;
  std::map<std::string, TensorInfo> infos;
  for (const auto& info : reader.tensors()) infos[info.name] = info;
  std::map<std::uint32_t, std::uint64_t> weights;
  load_parts(
      [&](const std::string& name) {
        StoredTensor tensor{infos.at(name), reader.read_tensor(name), {}};
        tensor.bytes = tensor.owned;
        return tensor;
      },
      [&](const std::string& name) {
        if (const auto dense = infos.find(name + ".weight"); dense != infos.end()) {
          weights[bits_of(dense->second)] += dense->second.shape.elements();
          return Linear::dense(queue_, dense->second, reader.read_tensor(dense->first));
        }
        const QuantizedLinear linear = reader.read_linear(name);
        const PackedLayout& layout = linear.weight.layout;
        weights[layout.bits] += std::uint64_t{layout.out_features} * layout.in_features;
        return Linear::packed(queue_, linear, use_lora);
      });
  summary_.quantized = true;
  summary_.method = reader.meta().method;
  set_bits(weights);
}

void ModelImpl::set_bits(const std::map<std::uint32_t, std::uint64_t>& weights) {
  std::uint64_t most = 0;
  for (const auto& [bits, count] : weights) {
    summary_.bits_used.push_back(bits);
    if (count <= most) continue;
    most = count;
    summary_.bits = bits;
  }
}

void ModelImpl::load_parts(const std::function<StoredTensor(const std::string&)>& fetch,
                           const std::function<Linear(const std::string&)>& linear) {
  const auto norm = [&](const std::string& name) {
    const StoredTensor tensor = fetch(name);
    return model::upload_f32(queue_, tensor.info, tensor.bytes);
  };
  const auto table = [&](const std::string& name) {
    const StoredTensor tensor = fetch(name);
    return model::upload_tensor(queue_, tensor.info, tensor.bytes);
  };
  embedding_ = table(std::string(kEmbeddingTensor));
  if (!config_.tie_word_embeddings) head_ = table(std::string(kHeadTensor));
  norm_ = norm(std::string(kFinalNormTensor));
  for (std::uint32_t i = 0; i < config_.num_hidden_layers; ++i) {
    Block block;
    for (const NormSpec& spec : config_.block.norms) block.norms.push_back(norm(weight_tensor(i, spec.name)));
    for (const LinearSpec& spec : config_.block.linears) {
      block.linears.push_back(linear(part_name(i, spec.name)));
      if (!spec.bias) continue;
      const StoredTensor bias = fetch(bias_tensor(i, spec.name));
      block.linears.back().set_bias(queue_, bias.info, bias.bytes);
    }
    blocks_.push_back(std::move(block));
  }
}

void ModelImpl::finish_loading() {
  activations_ = queue_.device().tuning().choice("activations", "f32") == "f16" ? DType::f16 : DType::f32;
  summary_.vocab_size = config_.vocab_size;
  summary_.max_position_embeddings = config_.max_position_embeddings;
  summary_.num_hidden_layers = config_.num_hidden_layers;
  summary_.weight_bytes = head().bytes();
  for (const auto& block : blocks_) summary_.weight_bytes += block.weight_bytes();
}

const Tokenizer& ModelImpl::tokenizer() const {
  if (!tokenizer_)
    tokenizer_ =
        std::make_unique<Tokenizer>(Tokenizer::from_files(side_files_, config_.vocab_size, summary_.path));
  return *tokenizer_;
}

std::shared_ptr<const model::RopeTables> ModelImpl::rope(std::uint32_t positions) const {
  const std::uint64_t have = rope_ ? rope_->cos.shape()[0] : 0;
  if (have < positions) {
    // Doubling keeps the number of rebuilds small while a long text grows.
    const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        config_.max_position_embeddings, std::max<std::uint64_t>(positions, 2 * have)));
    rope_ = std::make_shared<const model::RopeTables>(queue_, config_, size);
  }
  return rope_;
}

void ModelImpl::forward(const std::vector<std::int32_t>& ids, const KvCache* cache,
                        std::uint32_t first_position, const TensorView& hidden) const {
  const std::uint64_t tokens = ids.size();
  if (first_position + tokens > config_.max_position_embeddings)
    throw InvalidArgument("[model] " + std::to_string(first_position + tokens) +
                          " positions are more than the model's max_position_embeddings of " +
                          std::to_string(config_.max_position_embeddings));
  const std::shared_ptr<const model::RopeTables> tables =
      rope(static_cast<std::uint32_t>(first_position + tokens));
  const runtime::Rounding rounding = queue_.device().rounding(runtime::Work::inference);
  Workspace::Scope scope(queue_.workspace());
  const TensorView device_ids = queue_.workspace().allocate(DType::u32, {tokens});
  queue_.write(device_ids, ids.data());
  ops::embedding_fwd(queue_, embedding_, device_ids, hidden);
  // Without a cache every layer may use the same memory for its keys and values.
  model::KvView shared;
  if (cache == nullptr) {
    shared.k = queue_.workspace().allocate(hidden.dtype, {tokens, config_.kv_features()});
    shared.v = queue_.workspace().allocate(hidden.dtype, {tokens, config_.kv_features()});
  }
  const model::BlockPlan plan = model::forward_plan(config_.block, tokens, hidden.dtype);
  for (std::uint32_t i = 0; i < blocks_.size(); ++i)
    model::block_forward(queue_, rounding, config_.block, plan, *tables, blocks_[i], hidden,
                         cache != nullptr ? cache->layer(i) : shared, first_position);
}

void ModelImpl::logits(const TensorView& hidden, const TensorView& out) const {
  Workspace::Scope scope(queue_.workspace());
  const TensorView normed = queue_.workspace().allocate(hidden.dtype, hidden.shape);
  ops::rmsnorm_fwd(queue_, hidden, norm_, config_.rms_norm_eps, normed);
  ops::matmul_nt(queue_, queue_.device().rounding(runtime::Work::inference), normed, head(), out);
}

Model Model::load(Device& device, const std::filesystem::path& path, bool use_lora) {
  return Model(ModelImpl::load(device, path, use_lora));
}
Model::Model(std::unique_ptr<ModelImpl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
const ModelSummary& Model::summary() const { return impl_->summary(); }

}  // namespace apiq
