#include "calib/scheduler.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <future>
#include <nlohmann/json.hpp>
#include <set>

#include "apiq/process_memory.hpp"
#include "calib/block_solver.hpp"
#include "calib/layer_stream.hpp"
#include "io/part_file.hpp"
#include "report/block_json.hpp"

namespace apiq::calib {

namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// "block 3/6  loss 1.2e-02 -> 9.1e-03  relative output error 4.0e-02  3.1 s": of what was measured.
std::string block_line(const BlockReport& block, std::uint32_t num_blocks) {
  char part[64];
  std::string line = "block " + std::to_string(block.index + 1) + "/" + std::to_string(num_blocks);
  const auto append = [&](const char* format, auto... values) {
    std::snprintf(part, sizeof part, format, values...);
    line += part;
  };
  if (std::isfinite(block.loss_last)) append("  loss %.4e -> %.4e", block.loss_first, block.loss_last);
  if (std::isfinite(block.relative_error)) append("  relative output error %.4e", block.relative_error);
  append("  %.1f s", block.seconds);
  if (block.resumed) line += "  (solved before)";
  return line;
}

/// Of a block that an earlier run finished.
BlockReport earlier_report(const JournalEntry& entry) {
  BlockReport report = block_from_json(entry.report);
  report.resumed = true;
  return report;
}

/// Writes finished blocks in the background, one at a time: part file, then (when both streams are on disk
/// too) the journal entry.
class BlockSaver {
 public:
  BlockSaver(const RunContext& run, Journal& journal) : run_(run), journal_(journal) {}
  ~BlockSaver() {
    if (pending_.valid()) pending_.wait();
  }
  void save(SolvedBlock block, SavedStream full, SavedStream quantized);
  /// Until everything handed over is in the journal. Throws what saving threw.
  void finish() {
    if (pending_.valid()) pending_.get();
  }
  double wait_seconds() const { return wait_seconds_; }

 private:
  const RunContext& run_;
  Journal& journal_;
  std::future<void> pending_;
  double wait_seconds_ = 0;
};

void BlockSaver::save(SolvedBlock block, SavedStream full, SavedStream quantized) {
  const auto begin = std::chrono::steady_clock::now();
  finish();
  wait_seconds_ += seconds_since(begin);
  pending_ = std::async(std::launch::async, [this, block = std::move(block), full, quantized]() mutable {
    const std::uint32_t index = block.report.index;
    const nlohmann::json report = block_to_json(block.report);
    const std::filesystem::path path = journal_.part_path(index);
    JournalEntry entry{
        .block = index, .part = {path.filename().string(), {}}, .activations = {}, .report = report};
    const Trace::Scope span(run_.trace, Trace::Lane::disk_write, "part " + std::to_string(index));
    entry.part.sha256 = write_part(path, {index, std::move(block.linears), report.dump()});
    for (const SavedStream& stream : {full, quantized}) {
      if (!stream.valid()) continue;
      const SavedFile saved = stream.get();
      entry.activations.push_back({saved.path.filename().string(), saved.sha256});
    }
    journal_.add(entry);
  });
}

class Schedule {
 public:
  Schedule(const RunContext& run, Journal& journal);
  std::vector<BlockReport> run();

 private:
  std::uint32_t first_block() const;
  void start_streams(std::uint32_t first);
  BlockReport run_block(std::uint32_t index);
  BlockReport replay_block(std::uint32_t index);
  SaveTo save_paths(std::uint32_t index) const;
  double waited() const;
  void step_done(std::uint32_t linear, std::uint64_t steps) const;

  const RunContext& run_;
  Journal& journal_;
  std::uint32_t num_blocks_;
  LayerStream layers_;
  BlockSaver saver_;
  Streams streams_;
  std::unique_ptr<BlockSolver> solver_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::uint64_t steps_per_unit_, units_per_block_;
  std::uint32_t current_block_ = 0;
};

Schedule::Schedule(const RunContext& run, Journal& journal)
    : run_(run),
      journal_(journal),
      num_blocks_(run.config().num_hidden_layers),
      layers_(run.queue.device(), run.model,
              {.prefetch = run.plan.choice.prefetch, .ring_bytes = kUploadRingBytes, .trace = run.trace}),
      saver_(run, journal) {
  const quant::MethodTraits traits = run.method.traits();
  solver_ = make_solver(run, [this](std::uint32_t linear, std::uint64_t steps) { step_done(linear, steps); });
  units_per_block_ = traits.scope == quant::Scope::block ? 1 : run.config().block.linears.size();
  steps_per_unit_ = traits.needs_inputs
                        ? std::max<std::uint64_t>(
                              std::uint64_t{run.train.epochs} * (run.num_samples() / run.train.batch_size), 1)
                        : 1;
}

/// The first block that has to be passed: the one after the saved activations if no block before it was lost,
/// else 0.
std::uint32_t Schedule::first_block() const {
  const auto& finished = journal_.finished();
  std::uint32_t usable = 0;
  while (usable < num_blocks_ && finished.contains(usable)) ++usable;
  if (run_.num_samples() == 0 || usable == num_blocks_) return usable;
  const auto saved = journal_.saved_activations();
  return saved && *saved < usable ? *saved + 1 : 0;
}

void Schedule::start_streams(std::uint32_t first) {
  if (run_.num_samples() == 0 || first == num_blocks_) return;
  streams_ = make_streams(run_);
  if (first == 0) {
    streams_.full->start();
    streams_.quantized->start();
    return;
  }
  const auto& files = journal_.finished().at(first - 1).activations;
  streams_.full->load(journal_.folder() / files.at(0).name);
  streams_.quantized->load(journal_.folder() / files.at(1).name);
}

std::vector<BlockReport> Schedule::run() {
  const std::uint32_t first = first_block();
  std::vector<BlockReport> reports;
  for (std::uint32_t i = 0; i < first; ++i) reports.push_back(earlier_report(journal_.finished().at(i)));
  if (first != 0 && run_.callbacks.message)
    run_.callbacks.message("continuing: " + std::to_string(first) + " of " + std::to_string(num_blocks_) +
                           " blocks are in " + journal_.folder().string());
  start_streams(first);
  // Read here: once blocks are being saved the journal belongs to the saver's thread.
  std::set<std::uint32_t> known;
  for (const auto& [index, entry] : journal_.finished()) known.insert(index);
  for (std::uint32_t i = first; i < num_blocks_; ++i) {
    current_block_ = i;
    reports.push_back(known.contains(i) ? replay_block(i) : run_block(i));
    if (run_.callbacks.message) run_.callbacks.message(block_line(reports.back(), num_blocks_));
  }
  saver_.finish();
  return reports;
}

SaveTo Schedule::save_paths(std::uint32_t index) const {
  // The last block's residuals are of no use to anybody.
  if (!streams_ || index + 1 == num_blocks_) return {};
  return {journal_.activation_path(index, "full"), journal_.activation_path(index, "quantized")};
}

double Schedule::waited() const {
  double seconds = layers_.wait_seconds() + saver_.wait_seconds();
  if (streams_) seconds += streams_.full->wait_seconds() + streams_.quantized->wait_seconds();
  return seconds;
}

BlockReport Schedule::run_block(std::uint32_t index) {
  const auto begin = std::chrono::steady_clock::now();
  const double waited_before = waited();
  PhaseClock clock(run_.queue, run_.trace, "block " + std::to_string(index) + " ");
  clock.begin(Phase::load);
  WorkingBlock weights(run_, index, layers_.open(index));
  if (streams_) streams_.block->set_vectors(weights.norms(), weights.biases());
  SolvedBlock solved = solver_->solve(weights, streams_, save_paths(index), clock);
  BlockReport report = std::move(solved.report);
  report.index = index;
  report.loss_first = report.losses.empty() ? NAN : report.losses.front();
  report.loss_last = report.losses.empty() ? NAN : report.losses.back();
  for (const auto& [phase, seconds] : clock.phases()) report.phases.emplace_back(name_of(phase), seconds);
  report.seconds = seconds_since(begin);
  report.device_bytes = run_.queue.device().budget().peak_bytes();
  report.host_bytes = peak_host_bytes();
  solved.report = report;
  const bool saved = !save_paths(index).full.empty();
  saver_.save(std::move(solved), saved ? streams_.full->saved() : SavedStream{},
              saved ? streams_.quantized->saved() : SavedStream{});
  report.wait_seconds = waited() - waited_before;
  return report;
}

/// A block whose part is there while an earlier one's, or the streams after it, were lost: only the streams
/// pass it.
BlockReport Schedule::replay_block(std::uint32_t index) {
  saver_.finish();  // HDF5 is for one thread at a time
  const auto begin = std::chrono::steady_clock::now();
  const JournalEntry& entry = journal_.finished().at(index);
  BlockReport report = earlier_report(entry);
  if (streams_) {
    WorkingBlock weights(run_, index, layers_.open(index));
    streams_.block->set_vectors(weights.norms(), weights.biases());
    replay(weights, read_part(journal_.folder() / entry.part.name, run_.model.config()).linears, streams_);
  }
  report.seconds = seconds_since(begin);
  return report;
}

void Schedule::step_done(std::uint32_t linear, std::uint64_t steps) const {
  run_.next_piece();
  if (!run_.callbacks.progress) return;
  const std::uint64_t done =
      (std::uint64_t{current_block_} * units_per_block_ + linear) * steps_per_unit_ + steps;
  std::string stage = "block " + std::to_string(current_block_ + 1) + "/" + std::to_string(num_blocks_);
  if (units_per_block_ != 1) stage += " " + std::string(run_.config().block.linears[linear].name);
  run_.callbacks.progress(
      {stage, done, num_blocks_ * units_per_block_ * steps_per_unit_, seconds_since(begin_)});
}

}  // namespace

std::vector<BlockReport> run_schedule(const RunContext& run, Journal& journal) {
  return Schedule(run, journal).run();
}

}  // namespace apiq::calib
