// What all parts of one quantization run share.
#pragma once
#include "apiq/progress.hpp"
#include "apiq/quantize.hpp"
#include "calib/calibration_set.hpp"
#include "calib/memory_plan.hpp"
#include "calib/stop.hpp"
#include "io/model_directory.hpp"
#include "quant/method.hpp"
#include "runtime/pace.hpp"
#include "runtime/queue.hpp"

namespace apiq::calib {

struct RunContext {
  runtime::Queue& queue;
  const ModelDirectory& model;
  quant::Method& method;
  const QuantizeOptions& options;  // resolved: nothing left that means "the default"
  const TrainOptions& train;
  const CalibrationSet& set;  // empty if the method needs no inputs and none are wanted
  const MemoryPlan& plan;
  const Callbacks& callbacks;
  runtime::Pace& pace;
  Trace* trace = nullptr;

  /// Between any two pieces of work: throws Interrupted if the caller asked to stop, and keeps the host from
  /// running so far ahead of the device that stopping would take long.
  void next_piece() const {
    throw_if_stopped(callbacks);
    pace.step();
  }

  /// A store of every sample's activations at one place, f32 [tokens, features] each. saves: passes over it
  /// may be saved to the work directory.
  ActivationStore make_store(std::uint64_t features, Placement placement, bool saves,
                             std::string_view what) const {
    return {queue, layout(features), place(placement, saves), what};
  }
  ActivationLayout layout(std::uint64_t features) const {
    return {num_samples(), set.sequence_length, features};
  }
  ActivationPlace place(Placement placement, bool saves) const {
    return {placement, saves, options.work_dir, trace};
  }

  const ModelConfig& config() const { return model.config(); }
  std::uint32_t num_samples() const { return static_cast<std::uint32_t>(set.samples.size()); }
};

}  // namespace apiq::calib
