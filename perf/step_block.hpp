// A decoder block to train on: shapes of known models with random weights, or a block of a model in a folder;
// and one ApiQ-bw run over it.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "calib/block_adapter.hpp"

namespace apiq::perf {

struct StepCase {
  std::string name;  // "7B"
  ModelConfig config;
  std::uint64_t tokens = 0;
  std::uint32_t bits = 2, group_size = 64, rank = 64;
  std::filesystem::path model;  // weights of its first block; empty: random

  std::string text() const;
  /// Least arithmetic of a step: x M^T and dy^T x of all linears, dy M of those whose input is trained,
  /// LoRA and attention forward and backward.
  double flops() const;
};

/// Names a shape ("7B", "70B") or a folder with a model, whose first block it is then.
StepCase step_case(const std::string& shape_or_model, std::uint64_t tokens);

/// The block on a device, with an input and the output it gives in full precision.
class StepBlock {
 public:
  StepBlock(runtime::Queue& queue, const StepCase& c);

  /// Trains with ApiQ-bw for `steps` steps of one sequence each. step_done(steps done), when each is
  /// enqueued. recipe: paper | best, without the latter's costly start.
  void train(std::uint32_t steps, const std::string& recipe,
             const std::function<void(std::uint64_t)>& step_done);

 private:
  runtime::DeviceTensor filled(const Shape& shape, float size, std::uint32_t seed) const;

  runtime::Queue& queue_;
  StepCase case_;
  model::RopeTables rope_;
  calib::BlockAdapter block_;
  std::vector<runtime::DeviceTensor> weights_, norms_;
  runtime::DeviceTensor x_, target_;
};

}  // namespace apiq::perf
