// The block loop of sequential calibration: brings each block's weights to the device, lets the method solve its linears stage by
// stage, advances both streams through exactly what will be stored, hands the results on.
#pragma once
#include <functional>
#include <string>

#include "apiq/quantize.hpp"
#include "calib/calibration_set.hpp"
#include "io/model_directory.hpp"
#include "quant/method.hpp"
#include "runtime/queue.hpp"
#include "tensor/quantized_linear.hpp"

namespace apiq::calib {

struct ScheduleResult {
  std::vector<BlockReport> blocks;
  std::uint64_t skipped_steps = 0;
};

/// name: "model.layers.0.self_attn.q_proj". Called in order.
using LinearSink = std::function<void(const std::string& name, const QuantizedLinear& linear)>;

/// options must be resolved (no zeros that mean "default"). set may be empty if the method needs no inputs: then no streams run and
/// relative errors are NaN.
ScheduleResult run_schedule(runtime::Queue& queue, const ModelDirectory& model, quant::Method& method, const QuantizeOptions& options,
                            const quant::TrainOptions& train, const CalibrationSet& set, const LinearSink& sink, const Callbacks& callbacks);

}  // namespace apiq::calib
