// apiq::quantize: options checked against the model, calibration windows drawn, the schedule run, the
// checkpoint written.
#include "apiq/quantize.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "apiq/device_options.hpp"
#include "apiq/error.hpp"
#include "apiq/output_file.hpp"
#include "apiq/process_memory.hpp"
#include "calib/disk_space.hpp"
#include "calib/estimate.hpp"
#include "calib/options.hpp"
#include "calib/run_identity.hpp"
#include "calib/scheduler.hpp"
#include "calib/stop.hpp"
#include "family/tensor_names.hpp"
#include "io/checkpoint.hpp"
#include "io/part_file.hpp"
#include "ops/fast_path/fast_path.hpp"
#include "report/block_json.hpp"
#include "runtime/borrowed_device.hpp"
#include "tokenizer/token_file.hpp"
#include "util/atomic_file.hpp"
#include "util/sha256.hpp"

namespace apiq {

namespace {

using nlohmann::json;

calib::CalibrationSet load_calibration(const QuantizeOptions& options, const ModelDirectory& model) {
  if (options.calibration.empty()) return {};
  std::optional<Tokenizer> tokenizer;  // token ids need none
  std::vector<std::int32_t> tokens;
  for (const auto& path : options.calibration) {
    if (!tokenizer && !holds_token_ids(path))
      tokenizer =
          Tokenizer::from_files(model.side_files(), model.config().vocab_size, model.folder().string());
    const auto part =
        load_tokens(path, tokenizer ? &*tokenizer : nullptr, model.config().vocab_size, options.text_field);
    tokens.insert(tokens.end(), part.begin(), part.end());
  }
  return calib::sample_windows(tokens, options.samples, options.sequence_length, options.seed);
}

/// JSON text with sorted keys; bytes of a path that are not UTF-8 are replaced, not refused.
std::string canonical(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// One run from options to checkpoint.
class Run {
 public:
  Run(Device& device, const QuantizeOptions& asked, const Callbacks& callbacks);
  QuantizeResult quantize();
  DryRunResult dry_run();

 private:
  calib::MemoryPlan make_plan() const;
  calib::RunContext context(Trace* trace);
  void check_files() const;
  double file_seconds() const;
  void write_checkpoint(const calib::Journal& journal, const std::vector<BlockReport>& blocks,
                        QuantizeResult& result) const;

  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  Device& device_;
  runtime::BorrowedDevice borrowed_;
  const Callbacks& callbacks_;
  std::unique_ptr<quant::Method> method_;
  quant::MethodTraits traits_;
  ModelDirectory model_;
  QuantizeOptions options_;
  TrainOptions train_;
  calib::CalibrationSet set_;
  calib::MemoryPlan plan_;
  std::optional<runtime::Pace> pace_;
  json provenance_;  // hashing a large model takes a while: once
};

Run::Run(Device& device, const QuantizeOptions& asked, const Callbacks& callbacks)
    : device_(device),
      borrowed_(device.impl()),
      callbacks_(callbacks),
      method_(quant::make_method(asked.method)),
      traits_(method_->traits()),
      model_(ModelDirectory::open(asked.model)),
      options_(calib::resolve_options(asked, traits_, model_.config())) {
  calib::check_options(options_, traits_, model_);
  train_ = train_of(options_.method);
  plan_ = make_plan();
}

calib::MemoryPlan Run::make_plan() const {
  return calib::make_plan({.model = model_,
                           .options = options_,
                           .train = train_,
                           .traits = traits_,
                           .num_samples = options_.calibration.empty() ? 0 : std::uint32_t{options_.samples},
                           .device_budget = device_.budget_bytes(),
                           .host_budget = options_.host_memory_bytes,
                           .process_bytes = current_host_bytes(),
                           .shares_host_memory = device_.info().shares_host_memory,
                           .compute_units = device_.info().compute_units});
}

calib::RunContext Run::context(Trace* trace) {
  runtime::Queue& queue = device_.impl().queue();
  ops::settle_fast_paths(queue);
  if (options_.host_memory_bytes != 0) device_.impl().host_budget().set_limit(options_.host_memory_bytes);
  queue.workspace().reserve(plan_.scratch_bytes);
  return {queue, model_, *method_, options_, train_, set_, plan_, callbacks_, pace_.emplace(queue), trace};
}

/// Kernels of a run in the trace's compute lane as long as it lives.
class TracedQueue {
 public:
  TracedQueue(runtime::Queue& queue, Trace* trace) : queue_(trace != nullptr ? &queue : nullptr) {
    if (queue_ != nullptr) queue_->trace(trace);
  }
  ~TracedQueue() {
    if (queue_ != nullptr) queue_->trace(nullptr);
  }
  TracedQueue(const TracedQueue&) = delete;
  TracedQueue& operator=(const TracedQueue&) = delete;

 private:
  runtime::Queue* queue_;
};

/// What fails because of files should fail now.
void Run::check_files() const {
  check_writable(options_.output);
  if (!options_.trace.empty()) check_writable(options_.trace);
  calib::check_disk(options_.output, plan_.output_bytes, options_.work_dir, plan_.work_bytes);
}

void Run::write_checkpoint(const calib::Journal& journal, const std::vector<BlockReport>& blocks,
                           QuantizeResult& result) const {
  json provenance = provenance_;
  provenance["command"] = options_.command;
  CheckpointWriter writer(options_.output,
                          {std::string(name_of(options_.method)), canonical(calib::options_json(options_)),
                           canonical(provenance), model_.side_files()});
  std::uint64_t weights = 0, packed_bytes = 0, adapter_bytes = 0;
  for (const auto& [index, entry] : journal.finished()) {
    for (const auto& [name, linear] :
         read_part(journal.folder() / entry.part.name, model_.config()).linears) {
      const PackedLayout& layout = linear.weight.layout;
      weights += std::uint64_t{layout.out_features} * layout.in_features;
      packed_bytes += layout.bytes();
      adapter_bytes += linear.adapter_bytes();
      writer.add_linear(name, linear);
    }
  }
  for (const TensorInfo& info : expected_tensors(model_.config()))
    if (!calib::is_quantized(options_, model_.config(), info))
      writer.add_tensor(*model_.tensors().find(info.name), model_.tensors());
  json reports = json::array();
  for (const BlockReport& block : blocks) reports.push_back(block_to_json(block));
  writer.add_report(json{{"blocks", reports}, {"skipped_steps", result.skipped_steps}}.dump());
  writer.finish();
  result.bits_per_weight = 8.0 * static_cast<double>(packed_bytes) / static_cast<double>(weights);
  result.adapter_bits_per_weight = 8.0 * static_cast<double>(adapter_bytes) / static_cast<double>(weights);
  result.output_bytes = std::filesystem::file_size(options_.output);
}

/// Removes state that is not worth going on from; true if so.
bool drop_empty(calib::Journal& journal) {
  if (!journal.finished().empty()) return false;
  journal.remove_all();
  return true;
}

QuantizeResult Run::quantize() {
  check_files();
  const auto model_hashes = model_.check_and_hash([this] { throw_if_stopped(callbacks_); });
  set_ = load_calibration(options_, model_);
  throw_if_stopped(callbacks_);
  provenance_ = calib::run_identity(options_, model_hashes, device_);
  json identity = provenance_;
  identity["options"] = calib::options_json(options_);
  calib::Journal journal = calib::Journal::open(options_.work_dir, identity, options_.restart);
  remove_stale_temporaries(options_.output);
  for (const std::string& message : journal.messages())
    if (callbacks_.message) callbacks_.message(message);
  std::optional<Trace> trace;
  if (!options_.trace.empty()) trace.emplace();
  Trace* const traced = trace ? &*trace : nullptr;
  QuantizeResult result;
  result.effective = options_;
  try {
    const calib::RunContext run = context(traced);
    const TracedQueue lane(run.queue, traced);
    result.blocks = calib::run_schedule(run, journal);
  } catch (const Interrupted&) {
    if (drop_empty(journal)) throw;
    throw Interrupted("interrupted; " + std::to_string(journal.finished().size()) + " of " +
                      std::to_string(model_.config().num_hidden_layers) +
                      " blocks are finished and kept in " + options_.work_dir.string() +
                      "; the same command goes on from there");
  } catch (...) {
    drop_empty(journal);
    throw;
  }
  if (trace) trace->write(options_.trace);
  for (const BlockReport& block : result.blocks) {
    result.skipped_steps += block.skipped_steps;
    result.wait_seconds += block.wait_seconds;
  }
  write_checkpoint(journal, result.blocks, result);
  journal.remove_all();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  return result;
}

/// Reading and checking the model, hashing it, and writing the checkpoint: at the rates of one block.
double Run::file_seconds() const {
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t bytes = 0, all = 0;
  for (const TensorInfo& info : model_.tensors().tensors()) {
    const std::uint64_t size = info.shape.elements() * size_of(info.dtype);
    all += size;
    if (!info.name.starts_with("model.layers.0.")) continue;
    Sha256 hash;
    for_each_chunk(model_.tensors(), info.name, kStreamChunkBytes,
                   [&](std::uint64_t offset, std::span<const std::byte> chunk) {
                     hash.update(chunk.data(), chunk.size());
                     check_finite(info, chunk, offset / size_of(info.dtype));
                   });
    bytes += size;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  // The checkpoint is written, read and written again (parts, then the whole), at about the same rate.
  return seconds / static_cast<double>(bytes) *
         (static_cast<double>(all) + 2.0 * static_cast<double>(plan_.output_bytes));
}

DryRunResult Run::dry_run() {
  check_files();
  set_ = load_calibration(options_, model_);
  DryRunResult result;
  result.effective = options_;
  result.device_bytes = plan_.device_bytes;
  result.host_bytes = plan_.host_bytes;
  result.work_bytes = plan_.work_bytes;
  result.output_bytes = plan_.output_bytes;
  result.activations = calib::name_of(plan_.choice.residuals);
  result.prefetch = plan_.choice.prefetch;
  result.free_disk_bytes = calib::free_disk_bytes(options_.output);
  for (const calib::PhaseEstimate& estimate : calib::estimate_time(context(nullptr))) {
    std::uint64_t bytes = 0;
    for (const calib::PlanRow& row : plan_.rows)
      if (row.phase == estimate.phase) bytes = row.device_bytes;
    result.stages.push_back({std::string(name_of(estimate.phase)), estimate.seconds, bytes});
  }
  result.stages.push_back({std::string(name_of(Phase::files)), file_seconds(), 0});
  for (const DryRunStage& stage : result.stages) result.seconds += stage.seconds;
  return result;
}

}  // namespace

QuantizeResult quantize(Device& device, const QuantizeOptions& options, const Callbacks& callbacks) {
  return Run(device, options, callbacks).quantize();
}

DryRunResult dry_run(Device& device, const QuantizeOptions& options, const Callbacks& callbacks) {
  return Run(device, options, callbacks).dry_run();
}

std::vector<MethodInfo> list_methods() {
  std::vector<MethodInfo> out;
  for (const auto& row : quant::method_table())
    out.push_back(
        {std::string(row.name), std::string(row.summary), row.make(row.defaults)->traits().needs_inputs});
  return out;
}

}  // namespace apiq
