// Where the activations of a block's steps lie: the steps are put in order, forward and backward, and values
// that are never needed at the same time share memory. Found before anything is allocated, so that a run's
// need is known; no tape is kept while it computes.
#pragma once
#include <cstdint>
#include <vector>

#include "apiq/dtype.hpp"
#include "family/block_spec.hpp"

namespace apiq::model {

/// Steps [first, end).
struct StepRange {
  std::uint32_t first = 0, end = 0;
};

/// Where a stage begins: before step `step`, when nothing but the stage's input and the residual stream is
/// still to be read.
struct StageCut {
  std::uint32_t step = 0;
  SlotId input = 0, residual = 0;
};

/// One for each stage. Throws Unsupported for a block of which more would have to be kept.
std::vector<StageCut> stage_cuts(const BlockSpec& spec);

/// A step of the backward pass.
struct BackwardAction {
  std::uint32_t step = 0;
  /// Bit i: the gradient of from[i] is wanted; it is added to what other steps gave.
  std::uint8_t wanted = 0, accumulates = 0;
};

/// A slot's activations or their gradient, or what attention leaves for its backward.
using ValueId = std::uint32_t;

/// The order of a run and the memory of its values.
class BlockPlan {
 public:
  /// Forward only. `given` lie in the caller's memory, where they stay.
  static BlockPlan forward(const BlockSpec& spec, StepRange range, const std::vector<SlotId>& given,
                           std::uint64_t rows, DType dtype);
  /// The whole block forward, its input overwritten by its output; `given` as above.
  static BlockPlan in_place(const BlockSpec& spec, const std::vector<SlotId>& given, std::uint64_t rows,
                            DType dtype);
  /// Forward, then backward in f32: input and output, and the output's gradient (which is overwritten), are
  /// the caller's. input_gradient: backward goes on to the gradient of the block's input.
  static BlockPlan training(const BlockSpec& spec, std::uint64_t rows, bool input_gradient);

  StepRange steps() const { return steps_; }
  /// In their order; empty for a plan of forward only.
  const std::vector<BackwardAction>& backward() const { return backward_; }
  /// Scratch memory of all values that are not the caller's.
  std::uint64_t bytes() const { return bytes_; }
  DType dtype() const { return dtype_; }

  ValueId activation(SlotId slot) const { return slot; }
  ValueId gradient(SlotId slot) const { return slots_ + slot; }
  ValueId statistics(std::uint32_t step) const { return 2 * slots_ + step; }
  /// The value in whose memory it lies; the given one, if there is one among those that share it.
  ValueId memory_of(ValueId value) const { return memory_[value]; }
  /// In scratch memory, of a value that memory_of() names.
  std::uint64_t offset(ValueId value) const { return offsets_[value]; }
  /// Features of a value, and its element type.
  std::uint64_t width(const BlockSpec& spec, ValueId value) const;
  DType dtype_of(ValueId value) const { return value >= 2 * slots_ ? DType::f32 : dtype_; }
  std::size_t size() const { return memory_.size(); }  // how many values

 private:
  friend class BlockPlanner;
  std::uint32_t slots_ = 0;
  DType dtype_ = DType::f32;
  StepRange steps_;
  std::vector<BackwardAction> backward_;
  std::vector<ValueId> memory_;
  std::vector<std::uint64_t> offsets_;
  std::uint64_t bytes_ = 0;
};

}  // namespace apiq::model
