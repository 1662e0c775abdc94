// One of the two activation streams of sequential calibration: all samples' residuals at the current block,
// and, for methods that solve linears one by one, the inputs of the current stage. The full-precision and the
// quantized stream differ only in the linears they run through.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "calib/activation_store.hpp"
#include "calib/block_adapter.hpp"
#include "calib/run_context.hpp"
#include "calib/working_block.hpp"

namespace apiq::calib {

/// Called with each sample's new residuals, f32 [tokens, hidden], before the next sample is touched.
using SampleSeen = std::function<void(std::uint32_t sample, const TensorView& residuals)>;

class Stream {
 public:
  using Linears = quant::BlockFunction::Forward;

  /// name: "full" or "quantized", for messages about memory.
  Stream(const RunContext& run, const model::RopeTables& rope, std::string name);

  /// Residuals are the embeddings of the samples.
  void start();
  /// Residuals are those saved by an earlier run.
  void load(const std::filesystem::path& saved);

  /// All samples through a whole block in one pass; saves them if path is not empty.
  void run_block(quant::BlockFunction& block, const Linears& linears, const std::filesystem::path& save_to,
                 const SampleSeen& seen = {});

  /// The same in stages: from the inputs of the stage before to those of `stage`. 0 begins with the block's
  /// residuals; the number of stages ends with the next block's, which are saved if the path is not empty.
  void advance(std::uint32_t stage, const WorkingBlock& weights, const Linears& linears,
               const std::filesystem::path& save_to = {}, const SampleSeen& seen = {});

  ActivationStore& inputs() { return inputs_; }
  ActivationStore& residuals() { return residuals_; }
  /// How long the stream has kept its caller waiting for the disk so far.
  double wait_seconds() const {
    return earlier_wait_seconds_ + residuals_.wait_seconds() + inputs_.wait_seconds();
  }
  /// What the last pass that saved is writing.
  SavedStream& saved() { return saved_; }

 private:
  ActivationStore make_inputs(std::uint64_t features) const;
  void replace_inputs(ActivationStore next);
  const RunContext& run_;
  const model::RopeTables& rope_;
  std::string name_;
  ActivationStore residuals_, inputs_;
  double earlier_wait_seconds_ = 0;  // of stage inputs there are no more
  SavedStream saved_;
  std::vector<model::StageWay> ways_;
};

}  // namespace apiq::calib
