#include "calib/estimate.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "calib/block_solver.hpp"
#include "calib/layer_stream.hpp"
#include "quant/samples.hpp"

namespace apiq::calib {

namespace {

using Seconds = std::map<Phase, double>;

/// The parts of the first block with so many batches of samples, one epoch.
Seconds probe(const RunContext& run, LayerStream& layers, std::uint32_t batches) {
  CalibrationSet few = run.set;
  few.samples.resize(std::min<std::size_t>(few.samples.size(), std::size_t{batches} * run.train.batch_size));
  TrainOptions train = run.train;
  train.epochs = std::min<std::uint32_t>(train.epochs, 1);
  const RunContext small{run.queue, run.model, run.method,    run.options, train,
                         few,       run.plan,  run.callbacks, run.pace,    nullptr};
  PhaseClock clock(run.queue);
  Streams streams;
  if (!few.samples.empty()) {
    clock.begin(Phase::embed);
    streams = make_streams(small);
    streams.full->start();
    streams.quantized->start();
  }
  clock.begin(Phase::load);
  WorkingBlock block(small, 0, layers.open(0));
  if (streams) streams.block->set_vectors(block.norms(), block.biases());
  const auto solver = make_solver(small, [](std::uint32_t, std::uint64_t) {});
  solver->solve(block, streams, {}, clock);
  clock.end();
  const auto phases = clock.phases();
  return {phases.begin(), phases.end()};
}

/// A part's seconds as a + b * samples, from two probes.
struct Line {
  double fixed = 0, per_sample = 0;
  double at(double samples) const { return fixed + per_sample * samples; }
};

Line line_through(double few_samples, double few_seconds, double more_samples, double more_seconds) {
  const double slope = std::max((more_seconds - few_seconds) / (more_samples - few_samples), 0.0);
  return {std::max(few_seconds - slope * few_samples, 0.0), slope};
}

/// Batches of the second probe: enough to be timed, without taking long.
std::uint32_t more_batches(const RunContext& run, double step_seconds) {
  const std::uint32_t available = run.num_samples() / std::max(run.train.batch_size, 1u);
  const auto wanted = static_cast<std::uint32_t>(std::clamp(1.5 / std::max(step_seconds, 1e-3), 3.0, 32.0));
  return std::min(available, wanted);
}

}  // namespace

std::vector<PhaseEstimate> estimate_time(const RunContext& run) {
  LayerStream layers(run.queue.device(), run.model,
                     {.prefetch = false, .ring_bytes = kUploadRingBytes, .trace = nullptr});
  probe(run, layers, 1);  // compiles kernels
  const Seconds few = probe(run, layers, 1);
  const double blocks = run.config().num_hidden_layers, batch = run.train.batch_size,
               samples = run.num_samples();
  std::vector<PhaseEstimate> out;
  if (samples == 0) {
    for (const auto& [phase, seconds] : few) out.push_back({phase, blocks * seconds});
    return out;
  }
  const std::uint32_t batches = more_batches(run, few.contains(Phase::train) ? few.at(Phase::train) : 0.05);
  const Seconds more = batches > 1 ? probe(run, layers, batches) : few;
  for (const auto& [phase, seconds] : few) {
    const Line line = batches > 1 ? line_through(batch, seconds, batch * batches, more.at(phase))
                                  : Line{0, seconds / batch};
    if (phase == Phase::train)
      out.push_back({phase, blocks * line.at(samples * std::max<std::uint32_t>(run.train.epochs, 1))});
    else if (phase == Phase::start)
      out.push_back({phase, blocks * line.at(std::min<double>(samples, quant::kMomentSamples))});
    else if (phase == Phase::embed) out.push_back({phase, line.at(samples)});
    else out.push_back({phase, blocks * line.at(samples)});
  }
  return out;
}

}  // namespace apiq::calib
