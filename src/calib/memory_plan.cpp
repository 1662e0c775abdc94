// The formulas follow the code that allocates, stage by stage; tests hold them against the accounting of real
// runs. Scratch memory is reserved as planned, so its prediction is exact unless it is too small.
#include "calib/memory_plan.hpp"

#include <algorithm>

#include "apiq/error.hpp"
#include "calib/layer_stream.hpp"
#include "calib/linear_settings.hpp"
#include "calib/options.hpp"
#include "family/tensor_names.hpp"
#include "io/checkpoint.hpp"
#include "ops/nn.hpp"
#include "ops/qmatmul.hpp"
#include "quant/gram.hpp"
#include "quant/low_rank.hpp"
#include "quant/trained_linear.hpp"
#include "util/text.hpp"

namespace apiq::calib {

namespace {

bool has_aug_loss(const QuantizeOptions& options) {
  const auto* own = part_of<ApiqBwOptions>(options.method);
  return own != nullptr && own->aug_loss;
}

bool has_gram(const QuantizeOptions& options) {
  const auto* own = part_of<ApiqLwOptions>(options.method);
  return own != nullptr && own->gram;
}

constexpr std::uint64_t kFloat = sizeof(float);
/// Losses, sums, argument-sized buffers; the same in scratch memory, and its alignment.
constexpr std::uint64_t kSmallDeviceBytes = 192 << 10, kSmallScratchBytes = 64 << 10;
/// What the process still allocates while it runs: kernel compilation, HDF5, texts and tokens.
constexpr std::uint64_t kProcessGrowthBytes = std::uint64_t{24} << 20;

struct LinearSize {
  std::uint64_t out = 0, in = 0;
  LinearSettings settings;
  std::uint64_t weights() const { return out * in; }
  std::uint64_t packed_bytes() const {
    if (!settings.quantize) return 0;
    return PackedLayout{static_cast<std::uint32_t>(out), static_cast<std::uint32_t>(in), settings.bits,
                        settings.group_size}
               .bytes() +
           2 * std::uint64_t{settings.rank} * (in + runtime::round_up(out, kRowBlock));
  }
};

using BlockSizes = std::vector<LinearSize>;

class Planner {
 public:
  Planner(const PlanInput& input, const PlanChoice& choice)
      : in_(input),
        choice_(choice),
        config_(input.model.config()),
        tokens_(input.num_samples ? std::uint32_t{input.options.sequence_length} : 0),
        ways_(model::stage_ways(config_.block)) {
    for (std::uint32_t block = 0; block < config_.num_hidden_layers; ++block)
      blocks_.push_back(sizes_of(block));
  }

  MemoryPlan plan();

 private:
  BlockSizes sizes_of(std::uint32_t block) const;
  ActivationLayout layout(std::uint64_t features) const { return {in_.num_samples, tokens_, features}; }
  std::uint64_t store(std::uint64_t features, Placement placement) const {
    return ActivationStore::device_bytes(layout(features), placement);
  }
  static std::uint64_t packed_bytes(const BlockSizes& sizes, std::uint32_t first, std::uint32_t end);
  static std::uint64_t packed_bytes(const BlockSizes& sizes) {
    return packed_bytes(sizes, 0, static_cast<std::uint32_t>(sizes.size()));
  }
  std::uint64_t train_bytes(const LinearSize& size, bool keep) const;
  std::uint64_t pack_scratch(const LinearSize& size) const;
  std::uint64_t start_bytes(const LinearSize& size) const;
  std::uint64_t start_scratch(const LinearSize& size) const;
  std::uint64_t error_scratch(const LinearSize& size) const;
  std::uint64_t forward_scratch(const LinearSize& size) const;
  /// Features of a stage's input; 0 past the last.
  std::uint64_t stage_width(std::size_t stage) const {
    const auto& input = ways_[stage].next_input;
    return input ? config_.block.slots[*input].width : 0;
  }
  std::uint64_t widest() const {
    std::uint64_t width = 0;
    for (std::size_t stage = 0; stage < ways_.size(); ++stage) width = std::max(width, stage_width(stage));
    return width;
  }

  // Each adds rows and raises scratch_.
  void add_block_wise(const BlockSizes& sizes);
  void add_linear_wise(const BlockSizes& sizes);
  void add_stage(const BlockSizes& sizes, std::uint32_t stage);
  void row(Phase phase, std::uint64_t bytes);
  void scratch(std::uint64_t bytes) { scratch_ = std::max(scratch_, bytes); }

  const PlanInput& in_;
  const PlanChoice& choice_;
  const ModelConfig& config_;
  std::uint64_t tokens_, scratch_ = 0;
  std::vector<model::StageWay> ways_;
  std::vector<BlockSizes> blocks_;
  std::vector<PlanRow> rows_;
};

BlockSizes Planner::sizes_of(std::uint32_t block) const {
  BlockSizes sizes;
  for (const LinearSpec& linear : config_.block.linears)
    sizes.push_back({linear.out_features, linear.in_features,
                     settings_of(in_.options, part_name(block, linear.name), linear.in_features)});
  return sizes;
}

void Planner::row(Phase phase, std::uint64_t bytes) {
  for (PlanRow& known : rows_) {
    if (known.phase != phase) continue;
    known.device_bytes = std::max(known.device_bytes, bytes);
    return;
  }
  rows_.push_back({phase, bytes});
}

std::uint64_t Planner::packed_bytes(const BlockSizes& sizes, std::uint32_t first, std::uint32_t end) {
  std::uint64_t bytes = 0;
  for (std::uint32_t l = first; l < end; ++l) bytes += sizes[l].packed_bytes();
  return bytes;
}

std::uint64_t Planner::train_bytes(const LinearSize& size, bool keep) const {
  if (!size.settings.quantize) return 0;
  if (!in_.traits.needs_inputs)
    return quant::ClippedGrid::device_bytes(size.out, size.in / size.settings.group_size);
  return quant::TrainedLinear::device_bytes(size.out, size.in, size.settings.group_size, size.settings.rank,
                                            in_.train, keep);
}

/// Codes, zero points and scales row by row, and the packed form.
std::uint64_t Planner::pack_scratch(const LinearSize& size) const {
  if (!size.settings.quantize) return 0;
  return size.weights() + 3 * size.out * (size.in / size.settings.group_size) + size.packed_bytes();
}

/// While LoRA gets its start: the moments of the inputs, then what is left of them beside the factorization.
std::uint64_t Planner::start_bytes(const LinearSize& s) const {
  if (!s.settings.quantize || s.settings.rank == 0 || in_.train.lora_init == LoraInit::kaiming) return 0;
  const std::uint64_t whole = kFloat * s.in * s.in,
                      found = quant::low_rank_device_bytes(s.out, s.in, s.settings.rank);
  if (in_.train.lora_init == LoraInit::svd) return found;
  return in_.train.lora_init == LoraInit::cloq ? whole + found : std::max(whole, kFloat * s.in + found);
}

/// The weight's error and its size.
std::uint64_t Planner::start_scratch(const LinearSize& s) const {
  return start_bytes(s) == 0 ? 0 : error_scratch(s);
}

std::uint64_t Planner::error_scratch(const LinearSize& s) const {
  return kFloat * s.weights() + ops::error_scratch_bytes(s.weights());
}

/// A sample through the linear as it is, or through what is stored.
std::uint64_t Planner::forward_scratch(const LinearSize& s) const {
  return ops::qmatmul_scratch_bytes(tokens_, s.in, s.settings.rank);
}

void Planner::add_block_wise(const BlockSizes& sizes) {
  const std::uint64_t rows = tokens_ * in_.train.batch_size, hidden = config_.hidden_size;
  std::uint64_t dense = 0, left_dense = 0, train = 0, start = 0;
  std::uint64_t inner_scratch = ops::attention_bwd_scratch_bytes(
      in_.compute_units, tokens_, config_.num_attention_heads, config_.num_key_value_heads, config_.head_dim);
  for (const LinearSize& s : sizes) {
    dense += kFloat * s.weights();
    if (!s.settings.quantize) left_dense += kFloat * s.weights();
    train += train_bytes(s, choice_.keep_effective_weights);
    start = std::max(start, start_bytes(s));
    inner_scratch =
        std::max({inner_scratch, forward_scratch(s),
                  quant::TrainedLinear::scratch_bytes(s.out, s.in, choice_.keep_effective_weights)});
    scratch(start_scratch(s));
    scratch(pack_scratch(s));
    scratch(error_scratch(s));
  }
  const std::uint64_t batch = (in_.train.batch_size > 1 ? 3 : 1) * kFloat * rows * hidden;
  const std::uint64_t block = model::BlockPlan::training(config_.block, rows, false).bytes();
  scratch(batch + block + inner_scratch);
  const std::uint64_t targets = has_aug_loss(in_.options) ? store(hidden, choice_.inner) : 0;
  row(Phase::targets, dense + targets);
  row(Phase::start, dense + train + targets + start);
  row(Phase::train, dense + train + targets);
  row(Phase::advance, std::max(dense, left_dense + packed_bytes(sizes)) + packed_bytes(sizes));
}

void Planner::add_stage(const BlockSizes& sizes, std::uint32_t stage) {
  const auto [first, end] = config_.block.stages[stage];
  const std::uint64_t rows = tokens_ * std::max(in_.train.batch_size, 1u);
  const std::uint64_t width = stage_width(stage), next_width = stage_width(stage + 1);
  std::uint64_t dense = 0;
  for (std::uint32_t l = first; l < end; ++l) dense += kFloat * sizes[l].weights();
  const std::uint64_t inputs = tokens_ ? store(width, choice_.inner) : 0;  // of each stream
  for (std::uint32_t l = first; l < end; ++l) {
    const LinearSize& s = sizes[l];
    std::uint64_t state = dense + packed_bytes(sizes, first, l) + 2 * inputs + train_bytes(s, true);
    if (in_.traits.needs_inputs) {
      state += store(s.out, choice_.inner);
      std::uint64_t work = kFloat * rows * (s.out + (in_.train.batch_size > 1 ? s.out + s.in : 0)) +
                           quant::TrainedLinear::scratch_bytes(s.out, s.in, true);
      if (has_gram(in_.options)) work += quant::GramObjective::scratch_bytes(s.out, s.in);
      scratch(work);
      scratch(start_scratch(s));
      row(Phase::start, state + start_bytes(s));
    }
    scratch(pack_scratch(s));
    scratch(error_scratch(s));
    row(Phase::train, state + (has_gram(in_.options) ? quant::GramObjective::device_bytes(s.out, s.in) : 0));
  }
  if (!tokens_) return;
  // One stream after the other: the second one's old inputs are there with both streams' new ones.
  const std::uint64_t next = next_width != 0 ? store(next_width, choice_.inner) : 0;
  row(Phase::advance,
      dense + packed_bytes(sizes, first, end) + std::max(2 * inputs + next, inputs + 2 * next));
  std::uint64_t product = 0;
  for (std::uint32_t l = first; l < end; ++l) product = std::max(product, forward_scratch(sizes[l]));
  scratch(ways_[stage + 1].plan(config_.block, tokens_).bytes() + product);
}

void Planner::add_linear_wise(const BlockSizes& sizes) {
  for (std::uint32_t stage = 0; stage < config_.block.stages.size(); ++stage) add_stage(sizes, stage);
}

MemoryPlan Planner::plan() {
  for (const BlockSizes& sizes : blocks_) {
    if (in_.traits.scope == quant::Scope::block) add_block_wise(sizes);
    else add_linear_wise(sizes);
  }
  scratch_ += kSmallScratchBytes;
  const std::uint64_t rope = 2 * kFloat * tokens_ * (config_.head_dim / 2);
  std::uint64_t vectors = 0;
  for (const NormSpec& norm : config_.block.norms) vectors += kFloat * norm.width;
  for (const LinearSpec& linear : config_.block.linears)
    if (linear.bias) vectors += kFloat * linear.out_features;
  std::uint64_t always = LayerStream::device_bytes(config_, in_.model.tensors(), choice_.prefetch) + rope +
                         vectors + kSmallDeviceBytes + scratch_;
  std::uint64_t host = in_.process_bytes + kProcessGrowthBytes + LayerStream::host_bytes(kUploadRingBytes);
  if (tokens_) {
    always += 2 * store(config_.hidden_size, choice_.residuals);
    host += 2 * ActivationStore::host_bytes(layout(config_.hidden_size), choice_.residuals, true);
    // Stage inputs of both streams, the next ones and targets at the widest; a block-wise method has at most
    // one store of targets.
    const std::uint64_t width = in_.traits.scope == quant::Scope::block ? config_.hidden_size : widest();
    const std::uint64_t stores =
        in_.traits.scope == quant::Scope::block ? (has_aug_loss(in_.options) ? 1 : 0) : 3;
    host += stores * ActivationStore::host_bytes(layout(width), choice_.inner, false);
  }
  MemoryPlan plan;
  plan.choice = choice_;
  std::uint64_t result_bytes = 0, largest_block = 0;
  for (const BlockSizes& sizes : blocks_) {
    const std::uint64_t bytes = packed_bytes(sizes);
    result_bytes += bytes;
    largest_block = std::max(largest_block, bytes);
  }
  std::uint64_t other = 0, largest_other = 0;
  for (const TensorInfo& info : in_.model.tensors().tensors()) {
    const std::uint64_t bytes = info.shape.elements() * size_of(info.dtype);
    if (!is_quantized(in_.options, config_, info))
      other += bytes, largest_other = std::max(largest_other, bytes);
  }
  // A block's result on the host while the next one is solved; and the same on its way to the device.
  host += 2 * largest_block;
  plan.scratch_bytes = scratch_;
  for (PlanRow& r : rows_) {
    r.device_bytes += always;
    plan.device_bytes = std::max(plan.device_bytes, r.device_bytes);
  }
  plan.rows = rows_;
  plan.host_bytes = host + (in_.shares_host_memory ? plan.device_bytes : 0);
  plan.output_bytes = result_bytes + other;
  plan.work_bytes = result_bytes;
  if (tokens_) {
    plan.work_bytes +=
        4 * ActivationStore::file_bytes(layout(config_.hidden_size));  // both streams, saved and being saved
    if (choice_.inner == Placement::file)
      plan.work_bytes += 4 * ActivationStore::file_bytes(layout(widest()));
  }
  return plan;
}

/// Every choice, best first: what is given up costs time in this order of magnitude.
std::vector<PlanChoice> all_choices() {
  std::vector<std::pair<int, PlanChoice>> scored;
  for (const Placement residuals : {Placement::device, Placement::host, Placement::file})
    for (const Placement inner : {Placement::device, Placement::host, Placement::file})
      for (const bool prefetch : {true, false})
        for (const bool effective : {true, false})
          scored.push_back(
              {2 * static_cast<int>(residuals) + 4 * static_cast<int>(inner) + 5 * !prefetch + 3 * !effective,
               PlanChoice{prefetch, residuals, inner, effective}});
  std::stable_sort(scored.begin(), scored.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<PlanChoice> out;
  for (const auto& [score, choice] : scored) out.push_back(choice);
  return out;
}

/// As the options take it, rounded up: the size that is named has to work.
std::string enough_text(std::uint64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + "MiB"; }

/// Names the smallest change of one budget that helps; of both if either is below what every choice needs.
[[noreturn]] void refuse(const PlanInput& input, const std::vector<MemoryPlan>& plans,
                         std::uint64_t host_budget) {
  const MemoryPlan *device = nullptr, *host = nullptr,
                   *both = nullptr;  // least of one where the other fits; least device memory of all
  for (const MemoryPlan& plan : plans) {
    if (plan.host_bytes <= host_budget && (device == nullptr || plan.device_bytes < device->device_bytes))
      device = &plan;
    if (plan.device_bytes <= input.device_budget && (host == nullptr || plan.host_bytes < host->host_bytes))
      host = &plan;
    if (both == nullptr || plan.device_bytes < both->device_bytes) both = &plan;
  }
  const std::string found_device = " (found " + size_text(input.device_budget) + ")",
                    found_host = " (found " + size_text(host_budget) + ")";
  std::string needs;
  if (device != nullptr) needs = "--device-memory " + enough_text(device->device_bytes) + found_device;
  if (host != nullptr)
    needs += (device ? " or --host-memory " : "--host-memory ") + enough_text(host->host_bytes) + found_host;
  if (needs.empty())
    needs = "--device-memory " + enough_text(both->device_bytes) + found_device + " and --host-memory " +
            enough_text(both->host_bytes) + found_host;
  const std::string text = "[plan] " + input.options.model.string() + " with method " +
                           std::string(name_of(input.options.method)) + " does not fit: it needs at least " +
                           needs + "; a smaller --sequence-length, --batch-size or --rank needs less";
  if (device != nullptr || host == nullptr) throw OutOfDeviceMemory(text);
  throw OutOfHostMemory(text);
}

}  // namespace

MemoryPlan plan_for(const PlanInput& input, const PlanChoice& choice) {
  return Planner(input, choice).plan();
}

MemoryPlan make_plan(const PlanInput& input) {
  const std::uint64_t host_budget = input.host_budget != 0 ? input.host_budget : UINT64_MAX;
  std::vector<MemoryPlan> plans;
  for (const PlanChoice& choice : all_choices()) {
    plans.push_back(plan_for(input, choice));
    if (plans.back().device_bytes <= input.device_budget && plans.back().host_bytes <= host_budget)
      return plans.back();
  }
  refuse(input, plans, host_budget);
}

}  // namespace apiq::calib
