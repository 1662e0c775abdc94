// One of the two activation streams of sequential calibration: all samples' residuals at the current block, and the inputs of the
// current stage's linears. The full-precision and the quantized stream differ only in the linears they run through.
#pragma once
#include <cstdint>
#include <functional>

#include "apiq/progress.hpp"
#include "calib/activation_store.hpp"
#include "calib/calibration_set.hpp"
#include "model/block.hpp"

namespace apiq::calib {

/// y = linear l of the current block applied to x.
using ApplyLinear = std::function<void(std::uint32_t linear, const TensorView& x, const TensorView& y)>;

/// A store on the device if that leaves reserve_bytes of the budget free, else in host memory.
ActivationStore make_store(Queue& queue, const ActivationLayout& layout, std::uint64_t reserve_bytes, std::string_view what);

class Stream {
 public:
  /// Residuals start as the embeddings of the samples.
  Stream(Queue& queue, const ModelConfig& config, const model::RopeTables& rope, const CalibrationSet& set, const TensorView& embedding,
         std::uint64_t reserve_bytes, const Callbacks& callbacks);

  /// Inputs of stage 0 of a block.
  void begin_block(const TensorView& input_norm);
  /// From the outputs of stage 0, 1 or 2 to the inputs of the next one.
  void advance(std::uint32_t stage, const ApplyLinear& apply, const TensorView& post_attention_norm);
  /// From the outputs of stage 3 to the next block's residuals.
  void end_block(const ApplyLinear& apply);

  ActivationStore& inputs() { return inputs_; }
  ActivationStore& residuals() { return residuals_; }

 private:
  ActivationStore make_inputs(std::uint64_t features) const;
  Queue& queue_;
  const ModelConfig& config_;
  const model::RopeTables& rope_;
  const Callbacks& callbacks_;  // asked before every sample whether to stop
  std::uint32_t num_samples_;
  std::uint64_t tokens_, reserve_bytes_;
  ActivationStore residuals_, inputs_;
};

}  // namespace apiq::calib
