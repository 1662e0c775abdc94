// What a quantization says of one decoder block.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace apiq {

struct LinearReport {
  std::string name;  // "model.layers.0.mlp.up_proj"
  /// |W - What - c B A|^2 / |W|^2 of what is stored; 0 for a linear that was left as it is.
  double weight_error = 0;
};

/// How the loss went from step to step, averaged so that a few hundred points at most tell it.
struct LossCurve {
  std::uint64_t steps = 0;
  std::uint32_t steps_per_point = 0;  // of every point but the last, which may stand for fewer
  std::vector<double> points;         // mean loss of these steps; NaN if it was not finite in any
};

struct BlockReport {
  std::uint32_t index = 0;
  /// Mean squared error over the first and last epoch (of the linears' mean, for methods that solve them one
  /// by one); NaN without training.
  double loss_first = 0, loss_last = 0;
  std::vector<double> losses;  // of every epoch
  LossCurve curve;             // of every step; of the linears' mean, where they are solved one by one
  /// Of the block's output on the calibration data, both streams compared; NaN without data.
  double relative_error = 0;
  std::uint64_t skipped_steps = 0;  // steps not taken: the loss or a gradient was not finite
  std::vector<LinearReport> linears;
  // How this run got there; not part of the result.
  bool resumed = false;  // taken from the work directory
  double seconds = 0;
  /// Seconds by name, in the order of Phase (apiq/phase.hpp).
  std::vector<std::pair<std::string, double>> phases;
  double wait_seconds = 0;  // the device had to wait for disk or transfers at most this long
  std::uint64_t device_bytes = 0, host_bytes = 0;  // peaks so far
};

}  // namespace apiq
